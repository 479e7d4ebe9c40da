# The Python packages tests compare with, pinned, in a virtual environment of their own.
##  make venv        make build/venv (onnxruntime, pyarrow, scikit-learn, ...; needs PyPI)
##  make onnx-parity compare saved models with onnxruntime (needs the venv)

VENV := build/venv
PYTHON := $(shell command -v python3.11 || command -v python3)

.PHONY: venv
venv: $(VENV)/.made
$(VENV)/.made: tests/requirements.txt
	@test -n '$(PYTHON)' || { echo 'python3 is missing: apt-get install python3-venv'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

PARITY := $(O)/tests/quality/parity_models

$(PARITY): $(PARITY).o $(TEST_SUPPORT) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

.PHONY: onnx-parity
onnx-parity: $(PARITY) | $(VENV)/.made
	rm -rf $(O)/parity && $(PARITY) $(O)/parity
	$(VENV)/bin/python tests/quality/onnx_parity.py $(O)/parity
