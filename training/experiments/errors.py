"""What goes wrong with an experiment as it was asked for."""

from models.errors import LookalikeError


class ExperimentError(LookalikeError):
    """There is no such experiment, or it can't be made of these data; the message says what there is, or is needed."""
