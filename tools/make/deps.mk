# What a fresh Debian 12 lacks. `make deps` installs it (as root) and is called only when something is missing.
##  make deps        install the Debian packages and npm modules that are missing (needs root)

# Groups say who needs a package: build for `make`, test for `make test`, check for `make check`,
# full for `make test-full`.
PACKAGES_build := gcc libc6-dev binutils gzip libgfortran-12-dev libuv1-dev node-llhttp libssl-dev libsqlite3-dev \
                  liblapack-dev libblas-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libsleef-dev zlib1g-dev libzstd-dev tzdata libxxhash-dev
PACKAGES_test := perl libcmocka-dev libjansson-dev python3 curl
PACKAGES_check := python3 git clang clang-format clang-tidy cppcheck nodejs
PACKAGES_full := git clang libclang-rt-14-dev valgrind wrk nginx debootstrap chromium python3-venv python3-pip

DEPS ?= build test check full
PACKAGES := $(sort $(foreach group,$(DEPS),$(PACKAGES_$(group))))

.PHONY: deps
deps:
	@tools/deps $(PACKAGES)

# Each target that needs a group asks for it; the answer takes milliseconds when nothing is missing.
.PHONY: deps-build deps-test deps-check deps-full
deps-build deps-test deps-check deps-full: deps-%:
	@tools/deps $(sort $(PACKAGES_build) $(if $(filter-out build,$*),$(PACKAGES_test)) $(PACKAGES_$*))
