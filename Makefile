# `make repro` and `make test` do their own set-up; nothing else is installed by hand.
PYTHON ?= python3
STUDY ?= tiny
VENV := .venv
READY := $(VENV)/.ready
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup packages repro test test-fast check smoke bench bench-real params plan record report refetch release lock

help:  ## Show what make can do here
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv with every pinned package (about two minutes, 2 GB)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(MAKE) packages
	$(PIP) $(WHEELS) "$$(awk '/^torch==/ {print $$1}' requirements.lock)"
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(VENV)/bin/cocktail offline-plots >/dev/null
	@touch $(READY)

# Every package of the lock but torch, each file by its digest. antlr4-python3-runtime is the one without a wheel:
# what builds it, setuptools, comes from the lock before it, in place of whatever pip would fetch for that.
# torch stands in the lock with the digests of the index's builds, and is installed by version alone: which build
# suits (CPU, CUDA) is the machine's affair, and the builds of another place, a folder of wheels say, have other
# digests. A list that holds all of them is not to be had, and one CUDA build of the index takes gigabytes.
packages:
	$(PYTHON) -m venv $(VENV)
	$(call pins,$(BUILT)|torch,!) | $(PIP) $(CHECKED) $(WHEELS) --requirement /dev/stdin
	$(call pins,$(BUILT)) | $(PIP) $(CHECKED) --no-build-isolation --requirement /dev/stdin

PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
CHECKED := --require-hashes --no-deps
WHEELS := --only-binary :all:
BUILT := antlr4-python3-runtime
# The pins of the packages named, or with ! of all others, with their digests.
pins = awk '/^[^ \#]/ {taken = $(2)/^($(1))==/} taken' requirements.lock

repro: $(READY)  ## Set up, run every stage of the study in params.yaml, show its verdicts, compare with the recorded study
	@git rev-parse --git-dir >/dev/null 2>&1 || dvc config --local core.no_scm true  # a download without .git
	cocktail mend
	dvc repro
	cocktail show
	cocktail verify

test: $(READY)  ## Set up, run all tests, on all cores
	python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-fast: $(READY)  ## The unit tests that take less than a second each: before each commit
	python -m pytest --numprocesses auto --dist loadfile -m "not slow" tests/unit

check: $(READY)  ## Style and types
	ruff check . && ruff format --check . && mypy

smoke: $(READY)  ## The smallest whole run, in a temporary clone
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && git clone --quiet . "$$folder/cocktail" && \
	  cd "$$folder/cocktail" && cocktail params smoke && dvc repro && cocktail show --table main && cocktail show

bench: $(READY)  ## Five benchmarks at full size, on a machine that does nothing else (about half an hour)
	@for name in grid training answering overhead growth; do python benchmarks/$$name.py || exit 1; done
	python benchmarks/table.py
	cocktail readme

bench-real: $(READY)  ## The engine on SmolLM2 and real data (COCKTAIL_MIRROR), on a machine that does nothing else
	python benchmarks/real.py
	python benchmarks/table.py
	cocktail readme

params: $(READY)  ## Write params.yaml for STUDY=smoke|tiny|…, a file of conf/study
	cocktail params $(STUDY)

plan: $(READY)  ## Print what STUDY=paper would take, before anything is downloaded: runs, tokens, hours, disk
	@cocktail plan $(STUDY)

record: $(READY)  ## Keep the finished study under reports/studies/; renew documents and page, which show it
	cocktail record
	cocktail readme
	dvc repro --single-item report

report: $(READY)  ## Tables, figures and the page reports/report.html only
	dvc repro --single-item report

refetch: $(READY)  ## Check data/raw against the digests in conf/catalogue
	cocktail refetch

release: $(READY)  ## Dry run of a release: sdist and wheel into dist/, twine check, a study laid out by the wheel alone
	@.ci/release

lock: $(READY)  ## Renew requirements.lock (needs uv: pip install uv)
	uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate --generate-hashes \
	  --constraint requirements.lock $(foreach package,$(GPU_PACKAGES),--no-emit-package $(package)) \
	  --output-file requirements.lock pyproject.toml > /dev/null
	@printf '%s\n' $(LOCK_HEAD) | cat - requirements.lock > requirements.lock.new && mv requirements.lock.new requirements.lock

LOCK_HEAD := '\# Every package, pinned, with the digests of its files. Made by `make lock`, installed by `make setup`.' \
  '\# The GPU packages of torch are left out on purpose: its own metadata brings them where a GPU build is installed.'

# torch's own metadata brings these where a GPU build is installed; listed in the lock, pip would
# download gigabytes of them on a machine without a GPU.
GPU_PACKAGES := triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
  nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
  nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink \
  nvidia-nvshmem-cu13 nvidia-nvtx
