# Pages embedded in the binary: Swagger UI and ReDoc, from npm packages pinned in web/package-lock.json.

WEB_MODULES := web/node_modules/.package-lock.json

$(WEB_MODULES): web/package.json web/package-lock.json web/.npmrc
	@command -v npm >/dev/null || { echo 'npm is missing: run `make deps` as root, or install Node 18 or newer with npm' >&2; exit 1; }
	cd web && npm ci --no-progress --loglevel=error
	@touch $@

$(O)/gen/assets.c: tools/embed web/assets.txt $(wildcard web/pages/*) $(WEB_MODULES)
	@mkdir -p $(O)/gen
	tools/embed web/assets.txt $(O)/gen

$(O)/gen/assets.o: $(O)/gen/assets.c src/run/serve/assets.h
	$(CC) $(CPPFLAGS) $(CFLAGS) -w -c -o $@ $<
