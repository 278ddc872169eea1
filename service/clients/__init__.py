"""Who asks for classifications: the command ``classify``, of a model that it loads or of a running service."""
