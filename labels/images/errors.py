"""What can go wrong between a name in a label file and the bytes of an image."""

from models.errors import LookalikeError


class ImageSourceError(LookalikeError):
    """The images can't be read; the message says why and what to do."""


class MissingImageError(ImageSourceError, LookupError):
    """There is no image of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no image {name[:200]!r}: names are paths inside the folder or archive")
        self.name = name


class UnreadableImageError(ImageSourceError):
    """There is an image of this name, but it can't or mustn't be read."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the image {name[:200]!r} {why}")
        self.name = name
