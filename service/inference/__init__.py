"""Models on ONNX Runtime: loading, batching, scheduling, and how much work is let in."""
