"""Models on ONNX Runtime: loading, batching, scheduling, and how much work is let in."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported, which modules in here do
