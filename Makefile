# The commands of this project. They need make and Python 3.11 or newer; all else goes into .venv and .venv-2.11.

PYTHON ?= python3
PYTHON_2_11 ?= $(PYTHON)
UV_VERSION = 0.13.9
AIRFLOW_3_3 = 3.3.2
AIRFLOW_2_11 = 2.11.2
# In the order of the files: reordered, the few long tests would come last, and one process wait for the other.
PYTEST = -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# The tests that need Airflow. Of the operators, what all share: the rest of each is in packages that do not know Airflow.
TESTS_2_11 = $(wildcard tests/hooks tests/operators tests/plugins tests/sensors tests/triggers tests/dags)
FAST_2_11 = $(wildcard tests/hooks tests/plugins tests/sensors tests/triggers tests/dags tests/packaging/test_installed.py \
	$(addprefix tests/operators/test_, argument_tables.py arguments.py assets.py base_path.py extract_operator.py retry.py \
	unusable_connection.py waits.py))

EXTRAS = dev,emulator,s3
UV = .venv/bin/uv
COMPILE = $(UV) pip compile - pyproject.toml --extra azure --extra dev --extra distributed --extra docs --extra emulator --extra fuzz --extra gcs \
	--extra openlineage --extra s3 --extra sbom --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

# What is compiled is kept: hundreds of processes import the package.
unexport PYTHONDONTWRITEBYTECODE

FAST = -m "not exhaustive and not certification and not distributed and not browser"

# What is tried below build/wheel, where the tests are and the package is not, is the installed wheel.
TEST_WHEEL = cd build/wheel && TESTED=wheel ../../.venv-2.11/bin/python $(PYTEST) $(FAST) $(FAST_2_11)

FUZZ_SECONDS ?= 60

.PHONY: help demo up test test-all test-wheel dist matrix certify test-browser test-distributed lint audit sbom fuzz mutation bench docs screenshots constraints clean

help:
	@echo "make demo         a real Airflow fetches stock movements of several hours from the emulator"
	@echo "make up           Airflow's UI with the emulator, until Ctrl-C"
	@echo "make test         every behaviour once: on Airflow $(AIRFLOW_3_3), and what needs Airflow on $(AIRFLOW_2_11)"
	@echo "make test-all     what make test leaves out: seeded races, kills at every write, thousands of cases,"
	@echo "                  and all operators on $(AIRFLOW_2_11)"
	@echo "make test-wheel   builds wheel and sdist, and tries the wheel on Airflow $(AIRFLOW_2_11); a part of make test"
	@echo "make matrix       Airflow 2.11 to 3.3, each Python, lowest and highest libraries; writes the table in the README."
	@echo "                  Takes an hour or two; MATRIX_CELLS=\"3.1/3.11/lowest 3.2\" tries these only"
	@echo "make dist         wheel and sdist, in dist/"
	@echo "make certify      every dataset in every situation: faults of server, network, storage and processes; writes a page"
	@echo "make test-browser the coverage page in headless Chromium, alone and inside a real Airflow; as root it installs"
	@echo "                  Chromium where it is missing (Debian package)"
	@echo "make test-distributed"
	@echo "                  CeleryExecutor with three workers, of which one after the other is killed; as root it installs"
	@echo "                  PostgreSQL and Redis where they are missing (Debian packages)"
	@echo "make lint         ruff, mypy and bandit"
	@echo "make audit        known vulnerabilities of the pinned libraries; needs the network"
	@echo "make sbom         build/sbom.json, the bill of materials of the environment (CycloneDX)"
	@echo "make fuzz         a fuzzer that is guided by coverage, FUZZ_SECONDS ($(FUZZ_SECONDS)) for each target"
	@echo "make mutation     changes the source here and there and counts what the tests notice; takes an hour"
	@echo "make bench        the benchmarks"
	@echo "make docs         the documentation site into build/docs, and before that the pages that are generated"
	@echo "make screenshots  docs/images/*.png from a running Airflow, with Chromium"
	@echo "make constraints  the pinned versions anew (UV_FLAGS=--upgrade: the newest)"
	@echo "make clean        remove environments, caches and what demo and up wrote"
	@echo "PYTHON=/path/to/python3 chooses the interpreter, PYTHON_2_11= the one for Airflow 2.11 (3.11 or 3.12)."

demo: .venv/.ready
	@.venv/bin/python scripts/demo.py

up: .venv/.ready
	@.venv/bin/python scripts/up.py

# The full run comes last, so that its summary is the last line; a failure of either fails the target.
test: .venv/.ready .venv-2.11/.wheel
	@echo "Airflow $(AIRFLOW_2_11): what needs Airflow, with the built wheel"; \
	failed=0; \
	($(TEST_WHEEL)) || failed=$$?; \
	echo "Airflow $(AIRFLOW_3_3): all tests but the exhaustive sets"; \
	.venv/bin/python $(PYTEST) $(FAST) || failed=$$?; \
	exit $$failed

test-wheel: .venv-2.11/.wheel
	@$(TEST_WHEEL)

matrix: .venv/.ready
	@.venv/bin/python scripts/matrix.py --cells "$(MATRIX_CELLS)"

dist: .venv/.ready
	@rm -rf dist
	.venv/bin/python -m hatchling build

test-all: .venv/.ready .venv-2.11/.ready
	@failed=0; \
	.venv-2.11/bin/python $(PYTEST) $(TESTS_2_11) || failed=$$?; \
	.venv/bin/python $(PYTEST) -m exhaustive || failed=$$?; \
	exit $$failed

# The cases are in one file, so that they are given out one by one. Other suites have the tests with real processes.
certify: .venv/.ready
	@.venv/bin/python $(PYTEST) --dist worksteal -m "not exhaustive and not mutation" tests/certification \
		$$(.venv/bin/python tests/certification/references.py)

test-browser: .venv/.ready
	@sh tests/browser/install.sh
	@.venv/bin/python -m pytest -p no:xdist -m browser tests/browser

test-distributed: .venv/.distributed
	@sh tests/distributed/install.sh
	@.venv/bin/python -m pytest -p no:xdist -m distributed tests/distributed

lint: .venv/.ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/bandit --quiet --configfile pyproject.toml --recursive airflow_provider_zdirect dags

# Strict: a library that the advisory service does not know is a failure, not a pass.
audit: .venv/.ready
	@failed=0; \
	for series in 3.3 2.11; do \
		.venv/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints/airflow-$$series.txt || failed=$$?; \
	done; \
	exit $$failed

sbom: .venv/.ready .venv-sbom/.ready
	@mkdir -p build
	.venv-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-file build/sbom.json .venv

# FUZZ_TARGETS="answers stored" fuzzes these only.
fuzz: .venv/.fuzz
	FUZZ_SECONDS=$(FUZZ_SECONDS) .venv/bin/python tests/fuzz/run.py $(FUZZ_TARGETS)

# MUTATION_FLAGS=--survivors tries only what survived the last time.
mutation: .venv/.fuzz
	.venv/bin/python $(PYTEST) --dist worksteal -m mutation tests/certification
	.venv/bin/python scripts/mutation.py $(MUTATION_FLAGS)

# BENCH_FLAGS="--scale 0.1 --rounds 1" takes minutes instead of half an hour.
bench: .venv/.ready
	@case " $(BENCH_FLAGS) " in *" -h "*|*" --help "*) exec .venv/bin/python benchmarks/run.py --help;; esac; \
	failed=0; \
	.venv/bin/python benchmarks/run.py $(BENCH_FLAGS) || failed=$$?; \
	.venv/bin/python benchmarks/latency.py || failed=$$?; \
	.venv/bin/python benchmarks/airflow_costs.py || failed=$$?; \
	.venv/bin/python benchmarks/icm_backfill.py || failed=$$?; \
	.venv/bin/python benchmarks/stock_updates.py || failed=$$?; \
	exit $$failed

# A warning is an error, a link without an aim is one, and so is an address that docs/external-links.txt does not have.
docs: .venv/.docs
	.venv/bin/python scripts/generate_docs.py
	.venv/bin/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet --doctree-dir build/doctrees \
		docs build/docs
	@echo "The site is build/docs/index.html"

screenshots: .venv/.docs
	.venv/bin/python scripts/screenshots.py

constraints: .venv/.uv
	echo "apache-airflow==$(AIRFLOW_3_3)" | $(COMPILE) $(UV_FLAGS) -o constraints/airflow-3.3.txt
	echo "apache-airflow==$(AIRFLOW_2_11)" | $(COMPILE) $(UV_FLAGS) -o constraints/airflow-2.11.txt

clean:
	rm -rf .venv .venv-2.11 .venv-sbom .matrix .demo .up .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist

.venv/.uv: scripts/find_python.sh
	@python=$$(sh scripts/find_python.sh 11 14 "$(PYTHON)" python3.13 python3.12 python3.11) || { \
		echo "Python 3.11 or newer (up to 3.14) is needed, and $(PYTHON) is not:" \
			"$$("$(PYTHON)" --version 2>&1 | head -n 1)" >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	echo "Creating .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

# uv does not read pip's configuration; where only pip knows the way to the packages, pip does it.
.venv/.ready: .venv/.uv pyproject.toml constraints/airflow-3.3.txt
	@echo "Installing Airflow $(AIRFLOW_3_3) and the tools into .venv (about a minute)"
	@$(UV) pip install --quiet --compile-bytecode --python .venv --constraint constraints/airflow-3.3.txt \
		--build-constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS)]" \
	|| .venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS)]"
	@touch $@

# What only the distributed run needs.
.venv/.distributed: .venv/.ready
	@echo "Installing Celery and the drivers of PostgreSQL into .venv"
	@$(UV) pip install --quiet --compile-bytecode --python .venv --constraint constraints/airflow-3.3.txt \
		--editable ".[$(EXTRAS),distributed]" \
	|| .venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS),distributed]"
	@touch $@

.venv/.docs: .venv/.ready
	@echo "Installing Sphinx and Playwright into .venv"
	@$(UV) pip install --quiet --python .venv --constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS),docs]" \
	|| .venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS),docs]"
	@touch $@

.venv/.fuzz: .venv/.ready
	@$(UV) pip install --quiet --python .venv --constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS),fuzz]" \
	|| .venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-3.3.txt --editable ".[$(EXTRAS),fuzz]"
	@touch $@

# Not in .venv: with its libraries there, every start of Airflow would take one or two seconds more.
.venv-sbom/.ready: .venv/.uv constraints/airflow-3.3.txt
	@$(UV) venv --quiet --allow-existing --seed --python .venv/bin/python .venv-sbom
	@$(UV) pip install --quiet --python .venv-sbom --constraint constraints/airflow-3.3.txt cyclonedx-bom \
	|| .venv-sbom/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-3.3.txt cyclonedx-bom
	@touch $@

.venv-2.11/.ready: .venv/.uv pyproject.toml constraints/airflow-2.11.txt
	@python=$$(sh scripts/find_python.sh 11 12 "$(PYTHON_2_11)" python3.12 python3.11 .venv/bin/python) || python=3.12; \
	echo "Installing Airflow $(AIRFLOW_2_11) and the tools into .venv-2.11, Python $$python (about a minute)"; \
	$(UV) venv --quiet --allow-existing --seed --python "$$python" .venv-2.11 || { \
		echo "Airflow $(AIRFLOW_2_11) needs Python 3.11 or 3.12. Name one: make PYTHON_2_11=/path/to/python3.12" >&2; \
		exit 1; }
	@$(UV) pip install --quiet --compile-bytecode --python .venv-2.11 --constraint constraints/airflow-2.11.txt \
		--build-constraint constraints/airflow-2.11.txt --editable ".[$(EXTRAS)]" \
	|| .venv-2.11/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints/airflow-2.11.txt --editable ".[$(EXTRAS)]"
	@touch $@

# The tests of the sdist without the package beside them, so that they can only find the wheel. Always built anew.
.PHONY: .venv-2.11/.wheel
.venv-2.11/.wheel: .venv-2.11/.ready dist
	@.venv-2.11/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/*.whl
	@rm -rf build/wheel && mkdir -p build/wheel && tar -xzf dist/*.tar.gz --strip-components=1 -C build/wheel
	@rm -r build/wheel/airflow_provider_zdirect
