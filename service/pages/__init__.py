"""The pages: rendered here, filled and kept live by small modules that call the interface under ``/v1``."""
