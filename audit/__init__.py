"""The statistics of an audit: evidence and given labels in, P(wrong) and a report out. Pure numpy; no files."""
