"""The lines of a text file, with their numbers in the messages."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from labels.errors import LabelFileError
from labels.formats.text_encoding import encoding_of, not_utf8, not_utf16

MAX_LINE_BYTES = 64 * 2**20


def text_lines(path: Path) -> Iterator[str]:
    r"""Yield each line with its line end, without the byte order mark.

    Lines end with ``\n``; where a file has none, with ``\r`` (as on the Macs of old). Raises ``LabelFileError`` at the
    first line that is not text or longer than ``MAX_LINE_BYTES``.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(64))
    lines = _utf8_lines(path) if encoding == "utf-8" else _utf16_lines(path)
    first = next(lines, "")
    if "\r" in first and not first.endswith("\n"):  # then it is all there is
        yield from re.split(r"(?<=\r)(?=.)", first, flags=re.DOTALL)
    elif first:
        yield from chain([first], lines)


def _utf8_lines(path: Path) -> Iterator[str]:
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, MAX_LINE_BYTES + 1), b""), 1):
            _check_length(len(line), number)
            text = line.removeprefix(BOM_UTF8) if number == 1 else line
            try:
                yield text.decode("utf-8")
            except UnicodeDecodeError as error:
                place = error.start + len(line) - len(text)
                raise not_utf8(line, place, number, offset + place) from error
            offset += len(line)


def _utf16_lines(path: Path) -> Iterator[str]:
    number = 0
    with path.open(encoding="utf-16", newline="\n") as file:
        try:
            for number, line in enumerate(iter(partial(file.readline, MAX_LINE_BYTES // 2 + 1), ""), 1):
                _check_length(2 * len(line), number)
                yield line
        except UnicodeError as error:  # also that of a file that is nothing but half a character
            raise not_utf16(number) from error


def _check_length(size: int, number: int) -> None:
    if size > MAX_LINE_BYTES:
        raise LabelFileError(
            f"line {number} is longer than {MAX_LINE_BYTES // 2**20} MiB: check that this is the label file"
        )
