# make demo · make test · make bench · make check · make sanitize · make valgrind
#
# Each does all of its own set-up in $(VENV), and only what changed since it was last called.
# Another Python: make test PYTHON=python3.13 VENV=.venv-3.13
# Arguments:      make test ARGS='-k timers'   make bench ARGS='--quick'
#
# make trials tries the sentences of the advice in more programs than make test does: it makes the
# edits of each, and compares what ran before and after.
#
# make pairs runs programs as they are and mended, and compares what was estimated with what came.
#
# make corpus runs programs in the style of real code many times, and says how often what blocks them
# was told right; make commands runs servers and job queues as people start them. Both download what
# these use.
#
# make conformance runs CPython's own asyncio tests on asyncio's loop and on ours, and compares;
# make packages does so with those of well-known packages, which it downloads.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

python := $(VENV)/bin/python
made := $(VENV)/.made
native := src/fournil/_native
extensions := $(wildcard $(native)/*.pyx)
modules := $(extensions:$(native)/%.pyx=fournil._native.%)

# Built aside, with its own environment: the modules in the source tree stay what they are.
SANITIZE_VENV ?= .venv-sanitize
SANITIZED := tests/native tests/recorder tests/contract tests/test_watch.py tests/offload/test_recorded.py tests/offload/test_looking.py
sanitize := $(SANITIZE_VENV)/bin/python
sanitized := build/sanitize

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: demo picture test bench check commands conformance corpus packages pairs sanitize trials
.PHONY: valgrind clean

demo: $(made)/demo $(made)/native
	$(python) examples/bakery/demo.py $(ARGS)

# The picture in the README.
picture: $(made)/native
	$(python) tools/report_svg.py docs/report.svg

# The tests start a thousand Pythons, each of which would compile what it imports.
test: $(made)/test $(made)/native
	env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(abspath build/pycache) $(python) -m pytest $(ARGS)

bench: $(made)/peers $(made)/native
	$(python) -m benchmarks $(ARGS)

trials: $(made)/test $(made)/native
	$(python) -m tests.advice $(ARGS)

pairs: $(made)/test $(made)/native
	env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(abspath build/pycache) $(python) -m tests.pairs $(ARGS)

corpus: $(made)/test $(made)/corpus $(made)/native
	$(python) -m tests.corpus.scripts $(ARGS)

commands: $(made)/test $(made)/corpus $(made)/native
	$(python) -m tests.integration.commands $(ARGS)

conformance: $(made)/native
	$(python) -m tests.conformance $(ARGS)

packages: $(made)/native
	$(python) -m tests.conformance.packages $(ARGS)

check: $(made)/check $(made)/native
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist tools/stubtest-allowlist.txt --ignore-unused-allowlist $(modules)
	PATH="$(abspath $(VENV)/bin):$$PATH" cython-lint $(native)  # it calls pycodestyle by name
	$(python) -m pytest -q tests/test_layers.py tests/test_public_names.py

# CPython itself leaks at its end, so leaks are left to the tests' own checks. Its objects come
# from malloc, since the sanitizer does not see into CPython's arenas.
sanitize: $(sanitized)/built
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=8:handle_sigbus=0:abort_on_error=1 \
	UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1 \
	PYTHONMALLOC=malloc PYTHONPATH=$(abspath $(sanitized)/lib) \
	    $(sanitize) -m pytest --count-handles $(SANITIZED) $(ARGS)

valgrind: $(made)/native
	@command -v valgrind > /dev/null || { echo "valgrind is not there; on Debian and Ubuntu: apt install valgrind" >&2; exit 1; }
	PYTHONMALLOC=malloc valgrind -q --fair-sched=try --error-exitcode=9 \
	    --suppressions=tools/valgrind.supp $(python) tests/native/smoke.py

clean:
	rm -rf build
	find src -name '*.so' -delete

# The files in $(made) are empty: their dates say when a set-up was last done.

$(made)/venv:
	$(PYTHON) tools/make_venv.py $(VENV)
	mkdir -p $(made)
	touch $@

# What builds the native modules, as pyproject.toml has it.
$(made)/builders: $(made)/venv pyproject.toml
	@$(python) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $@.txt
	$(python) -m pip install -q -r $@.txt
	touch $@

# The first build is that of an editable install, as is the one after pyproject.toml changed.
# Without isolation: a Cython that was installed just now looks newer than all that was built,
# and everything would be built again.
$(made)/native: $(made)/builders setup.py $(extensions) $(wildcard $(native)/*.pxd $(native)/sys/*)
	@echo "Building the native modules on all cores: a minute of processor time, when all of them are new"
	@if [ $(made)/package -nt $(made)/builders ]; then \
	    $(python) setup.py -q build_ext --inplace; \
	else \
	    $(python) -m pip install -q --no-build-isolation --no-deps -e . && touch $(made)/package; \
	fi
	touch $@

$(sanitized)/built: setup.py pyproject.toml $(extensions) $(wildcard $(native)/*.pxd $(native)/sys/*) \
    $(shell find src -name '*.py')
	$(MAKE) VENV=$(SANITIZE_VENV) $(SANITIZE_VENV)/.made/builders
	@$(sanitize) -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *project["optional-dependencies"]["test"], sep="\n")' > $(SANITIZE_VENV)/.made/test.txt
	$(sanitize) -m pip install -q -r $(SANITIZE_VENV)/.made/test.txt
	FOURNIL_SANITIZE=address,undefined $(sanitize) setup.py -q build --build-base $(sanitized) --build-lib $(sanitized)/lib
	touch $@

# What the package and one of its extras depend on; the package itself is there already.
$(made)/%: $(made)/builders | $(made)/native
	$(python) -m pip install -q 'fournil[$*]'
	touch $@

# One by one: what cannot be installed here is named by the benchmarks, or the corpus, as missing.
$(made)/peers: extra := bench
$(made)/corpus: extra := corpus
$(made)/peers $(made)/corpus: $(made)/builders | $(made)/native
	@$(python) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(extra)"], sep="\n")' > $@.txt
	@while read -r package; do \
	    $(python) -m pip install -q "$$package" || echo "not installed: $$package"; \
	done < $@.txt
	touch $@
