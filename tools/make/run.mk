# `make run`: the main job on the files in data/csv, or on DATA=PATH.
##  make run         ingest data/csv (a sample plant when it is empty), train, show what was learned, serve
##  make run DATA=P  the same with your file or folder P, in a data folder of its own

.PHONY: run
run: deps-build
	@$(MAKE) -j$(JOBS) --no-print-directory $(QUIETLY) all
	@tools/run $(if $(DATA),"$(DATA)")
