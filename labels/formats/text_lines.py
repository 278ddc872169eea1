"""The lines of a UTF-8 text file, with their numbers in the messages."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from labels.errors import LabelFileError

MAX_LINE_BYTES = 64 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def utf8_lines(path: Path) -> Iterator[str]:
    r"""Yield each line with its line end (split at ``\n`` only), without the byte order mark.

    Raises ``LabelFileError`` at the first line that is not UTF-8 or longer than ``MAX_LINE_BYTES``.
    """
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, MAX_LINE_BYTES + 1), b""), 1):
            if len(line) > MAX_LINE_BYTES:
                raise LabelFileError(
                    f"line {number} is longer than {MAX_LINE_BYTES // 2**20} MiB: check that this is the label file"
                )
            text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
            try:
                yield text.decode("utf-8")
            except UnicodeDecodeError as error:
                offset = position + len(line) - len(text) + error.start
                raise LabelFileError(
                    f"line {number} is not UTF-8 (byte 0x{text[error.start]:02x} at offset {offset} of the file): "
                    "save the file as UTF-8"
                ) from error
            position += len(line)
