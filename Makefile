# make demo: train, evaluate and report on the built-in digits.  make test: the test suite.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := src tests $(wildcard benchmarks examples)

.PHONY: demo test check format env bench constraints clean

demo: env
	rm -rf runs/demo
	$(BIN)/residua train digits --network resnet20 --epochs 40 --mixup 0.2 --lr 0.05 --threads 1 --run runs/demo
	$(BIN)/residua evaluate runs/demo
	@echo "report: $(CURDIR)/runs/demo/report/report.html"

test: env
	$(BIN)/python -m pytest -n auto --dist loadfile

check: env
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright
	$(BIN)/lint-imports

format: env
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

env: $(STAMP)

$(STAMP): constraints.txt pyproject.toml scripts/make_env.sh
	PYTHON="$(PYTHON)" bash scripts/make_env.sh $(VENV)
	touch $@

bench: env
	for file in benchmarks/*.py; do $(BIN)/python "$$file" || exit 1; done

# Newer versions of everything: run it, then make env and make test.
constraints: env
	bash scripts/make_constraints.sh

clean:
	rm -rf build dist runs .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
