# Training with CUDA: torch's wheels bring CUDA along, the driver is the host's. Build it by `make training-image`.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY constraints.txt ./
RUN python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --constraint constraints.txt hatchling \
    && python3 -m venv --without-pip /opt/venv
COPY pyproject.toml docker/requirements.py ./
# Export compares torch with ONNX Runtime, on the CPU.
RUN python3 requirements.py cpu train > requirements.txt \
    && tools/bin/pip --python /opt/venv install --no-cache-dir --no-compile \
        --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY audit audit
COPY labels labels
COPY lookalike lookalike
COPY models models
COPY service service
COPY training training
RUN tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/venv install --no-cache-dir --no-compile --no-deps --target /app wheels/*.whl \
    && mkdir /work

FROM ${BASE_IMAGE}
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=10001:10001 /work /work
COPY --from=build /app /app
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PATH=/app/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/app \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1
# Data, recipes and runs: `--volume $PWD:/work`.
WORKDIR /work
USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["lookalike"]
CMD ["train", "--help"]
LABEL org.opencontainers.image.title="Lookalike, training" \
    org.opencontainers.image.licenses="Apache-2.0"
