# make demo   find and train a network for handwritten digits inside a budget
# make test   the tests        make fast   the fast layer alone   make wide   on many more networks
# make check  style, types, import contracts
# make bench  measure against peers and write benchmarks/RESULTS.md
# make docs   write what is made from cards, claims and recipes: docs/differences.md, claims.md, recipes.md
# make gallery  draw networks and their blocks: docs/gallery/

VENV ?= .venv
RUN := $(VENV)/bin
DEMO := runs/demo
export VENV

.PHONY: demo test fast wide check bench docs gallery setup setup-dev clean

setup:
	@scripts/setup all

setup-dev:
	@scripts/setup dev

demo: setup
	@if [ -f $(DEMO)/report.html ]; then :; \
	elif [ -f $(DEMO)/run.json ]; then $(RUN)/convsmith resume $(DEMO); \
	else $(RUN)/convsmith fit digits --max-params 100k --max-macs 4M --out $(DEMO); fi
	@echo "report: $(CURDIR)/$(DEMO)/report.html (make clean-demo to run it again)"

.PHONY: clean-demo
clean-demo:
	rm -rf $(DEMO)

test: setup-dev
	$(RUN)/python -m pytest -q -n 2 --dist loadgroup -m "not wide"

wide: setup-dev
	$(RUN)/python -m pytest -q -n 2 --dist loadgroup

fast: setup-dev
	$(RUN)/python -m pytest -q -n 2 --dist loadgroup -m "not slow and not wide"

check: setup-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports

bench: setup-dev
	$(RUN)/python benchmarks/run_all.py

docs: setup-dev
	$(RUN)/python -m convsmith.views.differences > docs/differences.md.new
	mv docs/differences.md.new docs/differences.md
	$(RUN)/python -m convsmith.views.claims.page > docs/claims.md.new
	mv docs/claims.md.new docs/claims.md
	$(RUN)/python -m convsmith.train.recipes.page > docs/recipes.md.new
	mv docs/recipes.md.new docs/recipes.md

gallery: setup-dev
	$(RUN)/python -m convsmith.views.gallery docs/gallery
	$(RUN)/python scripts/gallery.py

clean: clean-demo
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
