"""What is wrong with a model that is to be imported."""

from models.errors import LookalikeError


class ModelImportError(LookalikeError):
    """The model can't be imported; the message names the place and the cure. Nothing was published."""
