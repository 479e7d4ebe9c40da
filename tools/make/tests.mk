# Tests: C programs and scripts that print TAP, run through prove. Each C test has a process and a time limit.
##  make test        build and run every fast test (unit, fuzz corpora, HTTP, command line)
##  make unit        only the C unit tests
##  make test-full   all that and sanitizers, faults, valgrind, arm64, fuzzing, real data, browser, ten million rows, clean room (at most 60 minutes)
##  make asan, tsan  unit and fault tests under gcc's sanitizers
##  make arm64       unit tests of core and learn on arm64 under qemu; files of both machines compared byte by byte
##  make fuzz        every fuzzer for FUZZ_SECONDS (default 600) seconds
##  make fuzz-pyarrow  random tables by the reader and by pyarrow's, cell by cell, for FUZZ_SECONDS seconds

JOBS ?= $(shell nproc)
PYTHON ?= python3
PROVE := prove -j$(JOBS) -e ''
# V=1 shows every command.
QUIETLY := $(if $(V),,-s)

TEST_SUPPORT := $(patsubst %.c,$(O)/%.o,$(filter-out %/replay.c,$(sort $(wildcard tests/support/*.c))))
UNIT_SOURCES := $(sort $(wildcard tests/unit/*/test_*.c))
FAULT_SOURCES := $(sort $(wildcard tests/fault/fault_*.c))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(O)/%)
FAULT_TESTS := $(FAULT_SOURCES:%.c=$(O)/%)
FUZZERS := $(FUZZ_SOURCES:%.c=$(O)/%)
REPLAYS := $(FUZZ_SOURCES:tests/fuzz/fuzz_%.c=$(O)/tests/fuzz/replay_%)
FAST_SCRIPTS := $(sort $(wildcard $(foreach folder,http cli,tests/$(folder)/test_*.sh tests/$(folder)/test_*.py)))

$(O)/tests/%.o: tests/%.c $(O)/flags | $(O)/gen/onnx.pb-c.h $(O)/gen/llhttp.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -UNDEBUG $(WARNINGS) -MMD -MP -c -o $@ $<

$(UNIT_TESTS) $(FAULT_TESTS): %: %.o $(TEST_SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $(filter-out $(TEST_SUPPORT),$(filter %.o,$^)) $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka -ljansson

# Scenarios that every store must pass.
STORE_CONFORMANCE := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/unit/store/conformance*.c)) tests/unit/store/forward.c)
$(O)/tests/unit/store/test_store $(O)/tests/unit/store/test_artifacts: $(STORE_CONFORMANCE)
$(O)/tests/unit/job/test_job $(O)/tests/unit/job/test_remote $(O)/tests/unit/job/test_left $(O)/tests/unit/job/test_lease $(O)/tests/unit/job/test_light $(O)/tests/unit/job/test_retry $(O)/tests/unit/job/test_schedules: $(O)/tests/unit/job/plant_jobs.o
$(O)/tests/unit/job/test_schedules $(O)/tests/services/store_postgres: $(O)/tests/unit/job/schedule_sim.o
$(O)/tests/unit/op/test_ops $(O)/tests/unit/op/test_rows $(O)/tests/unit/op/test_dataset_job $(O)/tests/unit/op/test_train_commit $(O)/tests/unit/live/test_live $(O)/tests/fault/fault_op: $(O)/tests/unit/op/small_plant.o

$(O)/tests/unit/live/test_telemetry $(O)/tests/unit/live/test_telemetry_faults $(O)/tests/unit/live/test_live_quality: $(O)/tests/unit/live/live_scene.o

# A fuzzer's entry point runs its corpus as a plain test; in BUILD=fuzz libFuzzer drives it.
$(REPLAYS): $(O)/tests/fuzz/replay_%: $(O)/tests/fuzz/fuzz_%.o $(O)/tests/support/replay.o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(O)/tests/support/replay.o $(LIBRARY) $(LIBS)

$(FUZZERS): %: %.o $(LIBRARY)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

.PRECIOUS: $(O)/tests/%.o

.PHONY: build-unit build-fault build-fuzz
build-unit: $(UNIT_TESTS) $(REPLAYS)
build-fault: $(FAULT_TESTS)
build-fuzz: $(FUZZERS)

.PHONY: unit
unit: build-unit
	$(PROVE) $(UNIT_TESTS) $(REPLAYS)

.PHONY: test
test: deps-test
	@$(MAKE) -j$(JOBS) --no-print-directory $(QUIETLY) all build-unit
	$(PROVE) $(UNIT_TESTS) $(REPLAYS) $(FAST_SCRIPTS)

.PHONY: fault
fault: deps-test
	@$(MAKE) -j$(JOBS) --no-print-directory $(QUIETLY) build-fault
	$(if $(FAULT_TESTS),$(PROVE) $(FAULT_TESTS),@echo 'no fault tests')

# MW_TEST_SLOW=N: that part of the random rounds, and longer limits.
# Some kernels hand out addresses that gcc 12's thread sanitizer cannot map: no randomization there.
ASAN_ENV := MW_TEST_SLOW=8 ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
TSAN_ENV := MW_TEST_SLOW=16 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 setarch -R

.PHONY: asan tsan
asan: deps-test
	@$(MAKE) BUILD=asan -j$(JOBS) --no-print-directory build-unit build-fault
	@$(MAKE) BUILD=asan --no-print-directory asan-run
tsan: deps-test
	@$(MAKE) BUILD=tsan -j$(JOBS) --no-print-directory build-unit
	@$(MAKE) BUILD=tsan --no-print-directory tsan-run

.PHONY: asan-run tsan-run
asan-run:
	$(ASAN_ENV) $(PROVE) $(UNIT_TESTS) $(REPLAYS) $(FAULT_TESTS)
tsan-run:
	$(TSAN_ENV) $(PROVE) $(UNIT_TESTS)

# Valgrind sees what gcc's sanitizers cannot: reads of memory that was never written.
# The job tests keep time with leases, which valgrind is too slow for; TSan and ASan run them.
VALGRIND_FOLDERS ?= store op tree ingest live model serve table text base param cli stat metric linear feature track
# VALGRIND_SHARE=K/N: the programs K, K + N, K + 2N ... of them.
VALGRIND_SHARE ?= 1/1
VALGRIND_TESTS = $(shell printf '%s\n' $(foreach folder,$(VALGRIND_FOLDERS),$(filter $(O)/tests/unit/$(folder)/%,$(UNIT_TESTS))) $(REPLAYS) | \
    sed -n '$(subst /,~,$(VALGRIND_SHARE))p')
.PHONY: valgrind
valgrind: deps-full
	@$(MAKE) -j$(JOBS) --no-print-directory build-unit
	MW_TEST_SLOW=40 prove -j$(JOBS) -e 'valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
	    $(VALGRIND_TESTS)

# The other machine: its compiler and qemu are packages, its libraries are unpacked below build/.
ARM64_FOLDERS ?= base text param table stat metric linear tree feature model
# And what else has NEON code, or other code where there is no AVX.
ARM64_TESTS = $(filter $(ARM64_FOLDERS:%=$(O)/tests/unit/%/%) $(addprefix $(O)/tests/unit/ingest/test_,transcode quality),$(UNIT_TESTS))
ARM64_STAMP := $(ARM64_ROOT)/.packages
$(ARM64_STAMP): tools/arm64-root tools/make/deps.mk
	@tools/arm64-root $(ARM64_ROOT) $(PACKAGES_arm64)
	@touch $@

.PHONY: arm64 build-arm64 arm64-run
arm64: deps-full $(ARM64_STAMP)
	@$(MAKE) -j$(JOBS) --no-print-directory all
	@$(MAKE) BUILD=arm64 -j$(JOBS) --no-print-directory build-arm64
	@$(MAKE) BUILD=arm64 --no-print-directory arm64-run
build-arm64: $(BINARY) $(ARM64_TESTS)
arm64-run:
	MW_TEST_SLOW=32 prove -j$(JOBS) -e qemu-aarch64 $(ARM64_TESTS)
	prove -e '' tests/quality/arm64_same_bytes.sh

FUZZ_SECONDS ?= 600
.PHONY: fuzz
fuzz: deps-full
	@$(MAKE) BUILD=fuzz -j$(JOBS) --no-print-directory build-fuzz
	@tools/fuzz $(FUZZ_SECONDS) $(JOBS)

# Python packages that tests compare with; never needed to build or run.
VENV := build/venv
.PHONY: venv
venv: $(VENV)/.stamp
$(VENV)/.stamp: $(wildcard tests/requirements.txt)
	$(PYTHON) -m venv $(VENV)
	$(if $<,$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<)
	@touch $@

# Tables that tests/fuzz/pyarrow_reader.py has read; BUILD=asan makes one that sees reads past the end.
SERVE_READER := $(O)/tests/fuzz/serve_reader
$(SERVE_READER): $(SERVE_READER).o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

.PHONY: build-serve-reader fuzz-pyarrow
build-serve-reader: $(SERVE_READER)
fuzz-pyarrow: $(SERVE_READER) | $(VENV)/.stamp
	$(VENV)/bin/python tests/fuzz/pyarrow_reader.py --server $(SERVE_READER) --seconds $(FUZZ_SECONDS)

.PHONY: test-full
test-full: deps-full
	@$(MAKE) -j$(JOBS) --no-print-directory all
	@tools/test-full

-include $(wildcard $(O)/tests/unit/*/*.d) $(FAULT_SOURCES:%.c=$(O)/%.d) $(FUZZ_SOURCES:%.c=$(O)/%.d) $(TEST_SUPPORT:.o=.d) $(SERVE_READER).d

# The server that tests/http/test_*.py drive.
HTTP_SERVER := $(O)/tests/http/test_server
HTTP_OBJECTS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/http/*.c)))
$(HTTP_SERVER): $(HTTP_OBJECTS) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $(HTTP_OBJECTS) $(LIBRARY) $(LIBS)
build-unit: $(HTTP_SERVER)
-include $(HTTP_OBJECTS:.o=.d)

# What needs a real service beside it; tests/services/test_*.py start that.
SERVICE_PROGRAMS := $(patsubst %.c,$(O)/%,$(filter-out %_shim.c,$(sort $(wildcard tests/services/*.c))))
$(SERVICE_PROGRAMS): %: %.o $(TEST_SUPPORT) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $(filter-out $(TEST_SUPPORT),$(filter %.o,$^)) $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka
$(O)/tests/services/store_postgres: $(STORE_CONFORMANCE)
.PHONY: build-services
build-services: $(SERVICE_PROGRAMS)
-include $(SERVICE_PROGRAMS:=.d)
