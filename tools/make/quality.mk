# What learned models are worth beside other programs (needs `make venv`).
##  make onnx-parity compare saved models with onnxruntime

PARITY := $(O)/tests/quality/parity_models $(O)/tests/quality/parity_trees

$(PARITY): %: %.o $(TEST_SUPPORT) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

.PHONY: onnx-parity
onnx-parity: $(PARITY) | $(VENV)/.stamp
	rm -rf $(O)/parity && $(foreach program,$(PARITY),$(program) $(O)/parity &&) true
	$(VENV)/bin/python tests/quality/onnx_parity.py $(O)/parity

-include $(PARITY:%=%.d)

##  make ten-million    boosting, scoring and isolation of 10,000,000 rows: bytes, quality, memory (2 GB at most)
TEN_MILLION := $(O)/tests/quality/ten_million

$(TEN_MILLION): %: %.o $(TEST_SUPPORT) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

.PHONY: build-ten-million ten-million
build-ten-million: $(TEN_MILLION)
ten-million: deps-full
	@$(MAKE) -j$(JOBS) --no-print-directory $(QUIETLY) build-ten-million
	MW_TEST_SLOW=8 prove -e '' $(TEN_MILLION)

-include $(TEN_MILLION).d

# --- figures beside peers ---
##  make bench-quality  isolation and random forest beside scikit-learn, 22 sets and california_housing, 10 seeds (needs MILLWRIGHT_TEST_DATA)
.PHONY: bench-quality
bench-quality: all | $(VENV)/.stamp
	$(VENV)/bin/python bench/quality_forest.py

##  make bench-csv      text to columns beside pyarrow, DuckDB, Polars and pandas (BENCH_CSV="--quick" for a short one)
BENCH_SOURCES := $(sort $(wildcard bench/*.c))
BENCH_PROGRAMS := $(BENCH_SOURCES:%.c=$(O)/%)

$(O)/bench/%.o: bench/%.c $(O)/flags | $(O)/gen/onnx.pb-c.h $(O)/gen/llhttp.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$(BENCH_PROGRAMS): %: %.o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

##  make bench-kernels  GB/s of the CSV index and ns a number on generated rows of 35 short decimals, at every CPU level
.PHONY: bench-kernels
bench-kernels: $(O)/bench/text_kernels
	$<

.PHONY: bench-csv
bench-csv: all $(BENCH_PROGRAMS) | $(VENV)/.stamp
	$(VENV)/bin/python bench/csv_speed.py $(BENCH_CSV)

# The peers of bench/tree_*.py, bench/features_*.py, bench/http_speed.py and bench/public_tasks.py, apart from those that tests need.
PEERS_VENV := build/venv-peers
.PHONY: venv-peers
venv-peers: $(PEERS_VENV)/.stamp
$(PEERS_VENV)/.stamp: bench/requirements.txt
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

##  make bench-tree     boosting, forests and scoring beside seven peers: time and memory (BENCH_TREE="--quick" for a short one)
.PHONY: bench-tree
bench-tree: all $(BENCH_PROGRAMS) | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/tree_speed.py $(BENCH_TREE)

##  make bench-tree-quality  held-out AUC and RMSE of boosting beside its peers, 8 sets, 20 seeds (needs MILLWRIGHT_TEST_DATA)
.PHONY: bench-tree-quality
bench-tree-quality: all | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/tree_quality.py $(BENCH_TREE)

##  make bench-features  feature programs beside pandas, Polars, DuckDB and tsflex: time and memory (BENCH_FEATURES="--quick" for a short one)
.PHONY: bench-features
bench-features: all | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/features_speed.py $(BENCH_FEATURES)

##  make bench-public   the guides on public data beside LightGBM on columns made with pandas, 5 seeds (needs MILLWRIGHT_TEST_DATA)
.PHONY: bench-public
bench-public: all | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/public_tasks.py $(BENCH_PUBLIC)

##  make bench-telemetry  POST /telemetry, durable: rows a second, and where the time goes (BENCH_TELEMETRY="--quick" for a short one)
.PHONY: bench-telemetry
bench-telemetry: all
	$(PYTHON) bench/telemetry_speed.py $(BENCH_TELEMETRY)

##  make bench-http     beside nginx and FastAPI, overload, 1,000 streams of events, idle connections (BENCH_HTTP="--quick" for a short one)
.PHONY: bench-http
bench-http: all $(O)/bench/http_load $(O)/tests/http/test_server | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/http_speed.py $(BENCH_HTTP)

# The peer of bench/jobs_speed.py.
CELERY_VENV := build/venv-celery
$(CELERY_VENV)/.stamp: bench/requirements-jobs.txt
	$(PYTHON) -m venv $(CELERY_VENV)
	$(CELERY_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

##  make bench-jobs     10,000 small jobs on SQLite, PostgreSQL, PostgreSQL + Redis, beside Celery + Redis: jobs/s, enqueue to start (BENCH_JOBS="--quick" for a short one)
.PHONY: bench-jobs
bench-jobs: all deps-full | $(CELERY_VENV)/.stamp
	$(PYTHON) bench/jobs_speed.py $(BENCH_JOBS)

##  make bench-hosts    small jobs on one host and on two that share a PostgreSQL: jobs/s and CPU time a job; as root (BENCH_HOSTS="--quick" for a short one)
.PHONY: bench-hosts
bench-hosts: all deps-full
	$(PYTHON) bench/hosts_speed.py $(BENCH_HOSTS)

##  make bench-isolation  seconds of the isolation forests beside scikit-learn and isotree, 1,000,000 x 28
.PHONY: bench-isolation
bench-isolation: $(O)/bench/isolation_speed | $(PEERS_VENV)/.stamp
	$(PEERS_VENV)/bin/python bench/isolation_speed.py

-include $(BENCH_SOURCES:%.c=$(O)/%.d)
