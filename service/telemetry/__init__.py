"""Seeing inside a running service: metrics for Prometheus, logs, and the ids by which a request is found in them."""
