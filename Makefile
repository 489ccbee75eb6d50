# make demo: see it work.  make test: everything the tests need, then the tests (test-long: all of what is
# sampled otherwise).  make bench: speed beside Suricata.  make soak: 20 minutes live.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-long lint types bench bench-payload soak captures dashboards docs clean

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq -y python3-venv; } \
		|| { echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint,dashboards]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/detector warm
	$(BIN)/detector replay replay_pcaps --home-net 10.0.0.0/8 \
		--var MODBUS_MASTERS=@replay_pcaps/masters.txt --var MODBUS_WRITABLE_REGISTERS=0..99 --alerts alerts.jsonl

test: $(VENV)/installed
	tests/install_tools.sh
	$(BIN)/detector warm
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not alone'
	$(BIN)/pytest -m alone
	NUMBA_DISABLE_JIT=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m kernel

test-long: export DETECTOR_LONG = 1
test-long: test

lint: $(VENV)/installed
	$(BIN)/ruff format --check detector tests replay_pcaps docs dashboards compose
	$(BIN)/ruff check detector tests replay_pcaps docs dashboards compose
	$(BIN)/detector lint rules

types: $(VENV)/installed
	$(BIN)/mypy

bench: $(VENV)/installed
	tests/install_tools.sh
	$(BIN)/python -m tests.bench.bench

bench-payload: $(VENV)/installed
	tests/install_tools.sh
	$(BIN)/python -m tests.bench.payload

soak: $(VENV)/installed
	tests/install_tools.sh
	$(BIN)/detector warm
	$(BIN)/python -m tests.bench.soak --minutes 20

captures: $(VENV)/installed
	$(BIN)/python replay_pcaps/build.py

dashboards: $(VENV)/installed
	$(BIN)/python -m dashboards.build

docs: $(VENV)/installed
	$(BIN)/python docs/build.py

clean:
	rm -rf $(VENV) build dist alerts.jsonl
