"""The steps of one audit: plan, infer, fit, score, finish. Each is a function from files to files, safe to repeat."""
