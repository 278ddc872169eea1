"""The one error of label files."""

from models.errors import LookalikeError


class LabelFileError(LookalikeError, ValueError):
    """A label file can't be used as it is; the message names the place and the cure.

    ``row`` is the offending data row, counted from 1 without the header, or ``None`` where it isn't about a row.
    """

    def __init__(self, message: str, *, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row
