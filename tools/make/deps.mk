# What a fresh Debian 12 lacks. `make deps` installs it (as root) and is called only when something is missing.
##  make deps        install the Debian packages and npm modules that are missing (needs root)

# Groups say who needs a package: build for `make`, test for `make test`, check for `make check`,
# full for `make test-full`.
PACKAGES_build := gcc libc6-dev binutils gzip libgfortran-12-dev libuv1-dev node-llhttp libssl-dev libsqlite3-dev \
                  liblapack-dev libblas-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libsleef-dev zlib1g-dev libzstd-dev tzdata libxxhash-dev libpq-dev libsodium-dev libhiredis-dev \
                  libcurl4-openssl-dev
PACKAGES_test := perl libcmocka-dev libjansson-dev python3 curl openssl
PACKAGES_check := python3 git clang clang-format clang-tidy cppcheck nodejs
PACKAGES_full := iproute2 postgresql redis-server git clang libclang-rt-14-dev valgrind wrk nginx debootstrap chromium python3-venv python3-pip gcc-aarch64-linux-gnu qemu-user
# Debian packages for arm64 that tools/arm64-root unpacks below build/; never installed.
PACKAGES_arm64 := libc6 libc6-dev linux-libc-dev libgcc-s1 libgfortran-12-dev liblapack-dev libblas-dev libsleef3 libsleef-dev \
                  libsqlite3-0 libsqlite3-dev libuv1 libuv1-dev libssl3 libssl-dev libprotobuf-c1 libprotobuf-c-dev zlib1g zlib1g-dev \
                  libzstd1 libzstd-dev libxxhash0 libxxhash-dev libpq5 libpq-dev libsodium23 libsodium-dev libhiredis0.14 libhiredis-dev \
                  libcurl4-openssl-dev libcmocka0 libcmocka-dev libjansson4 libjansson-dev

DEPS ?= build test check full
PACKAGES := $(sort $(foreach group,$(DEPS),$(PACKAGES_$(group))))

.PHONY: deps
deps:
	@tools/deps $(PACKAGES)

# Each target that needs a group asks for it; the answer takes milliseconds when nothing is missing.
.PHONY: deps-build deps-test deps-check deps-full
deps-build deps-test deps-check deps-full: deps-%:
	@tools/deps $(sort $(PACKAGES_build) $(if $(filter-out build,$*),$(PACKAGES_test)) $(PACKAGES_$*))
