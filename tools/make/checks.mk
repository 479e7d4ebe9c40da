# `make check`: rules that a script can hold. Each check runs alone as tools/checks/NAME.
##  make check       format, layers, banned calls, names, words, documents, contract drift, cppcheck, clang-tidy
##  make format      let clang-format have its way

C_FILES := $(sort $(wildcard src/*/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch]))

.PHONY: check
check: deps-check
	@$(MAKE) -j$(JOBS) --no-print-directory all
	@tools/check $(JOBS)

.PHONY: format
format:
	clang-format -i $(C_FILES)

# What the compiler-based checks need to know.
.PHONY: print-flags
print-flags:
	@echo '$(filter-out -DMW_VERSION=%,$(CPPFLAGS)) -Itests -std=c17 $(filter-out -Werror,$(WARNINGS))'
