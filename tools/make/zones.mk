# Time zones embedded in the binary, for machines without tzdata.

TZDATA := /usr/share/zoneinfo/tzdata.zi

$(TZDATA):
	@echo '$@ is missing: run `make deps` (as root)' >&2; exit 1

$(O)/gen/zones.c: tools/embed-zones $(TZDATA)
	@mkdir -p $(O)/gen
	tools/embed-zones $(TZDATA) $(O)/gen

$(O)/gen/zones.o: $(O)/gen/zones.c src/core/text/zone_embedded.h
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
