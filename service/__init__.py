"""Serving: the HTTP application, the ONNX Runtime classifier, and audits as jobs. Never imports torch."""
