"""The statistics of an audit: logits and given labels in, P(wrong) and a report out. Pure numpy; no files, no server."""
