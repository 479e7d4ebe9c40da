# What learned models are worth beside other programs (needs `make venv`).
##  make onnx-parity compare saved models with onnxruntime

PARITY := $(O)/tests/quality/parity_models

$(PARITY): $(PARITY).o $(TEST_SUPPORT) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

.PHONY: onnx-parity
onnx-parity: $(PARITY) | $(VENV)/.stamp
	rm -rf $(O)/parity && $(PARITY) $(O)/parity
	$(VENV)/bin/python tests/quality/onnx_parity.py $(O)/parity

-include $(PARITY).d

# --- figures beside peers ---
##  make bench-quality  isolation and random forest beside scikit-learn, 22 sets and california_housing, 10 seeds (needs MILLWRIGHT_TEST_DATA)
.PHONY: bench-quality
bench-quality: all | $(VENV)/.stamp
	$(VENV)/bin/python bench/quality_forest.py

# --- speed of the innermost loops, at every CPU level ---
##  make bench-kernels  GB/s of the CSV index and ns a number on generated rows of 35 short decimals

TEXT_KERNELS := $(O)/bench/text_kernels

$(O)/bench/%.o: bench/%.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$(TEXT_KERNELS): $(TEXT_KERNELS).o $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

.PHONY: bench-kernels
bench-kernels: $(TEXT_KERNELS)
	$(TEXT_KERNELS)

-include $(TEXT_KERNELS).d
