"""Audits: one run of the statistics over a label file and its images, and the jobs that do it behind the service."""
