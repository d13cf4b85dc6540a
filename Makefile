# Two commands: `make demo` inspects two example scans, `make test` runs every test. Both make .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# One thread per numerical library and test worker: workers times threads would exceed the cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/scananalysis inspect examples/garments-clean.h5 \
	    --declaration examples/garments-clean.json --output out/demo-clean
	$(BIN)/scananalysis inspect examples/garments-with-hidden-object.h5 \
	    --declaration examples/garments-with-hidden-object.json --output out/demo
	@echo "Open out/demo/report.html (something hidden) and out/demo-clean/report.html (nothing hidden)"

test: $(VENV)/.installed-test
	$(ONE_THREAD) $(BIN)/pytest -q -n auto --dist loadscope

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "scananalysis needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test,train]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) out dist build
