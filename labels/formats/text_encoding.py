"""How the text of a label file is encoded: UTF-8, or UTF-16 where its first bytes say so; nothing else is guessed.

Windows-1252 and its like can't be told apart by their bytes, and a class name read wrongly is another class: they are
refused with the place and what it would read.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path
from typing import Literal

from labels.errors import LabelFileError

Encoding = Literal["utf-8", "utf-16"]

_CURE = "save the file as UTF-8 (spreadsheets call it CSV UTF-8)"
_SHOWN_BYTES = 20


def encoding_of(start: bytes) -> Encoding:
    """Tell it by a file's first bytes; raises ``LabelFileError`` for what is no text, or UTF-16 that doesn't say so."""
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(b"PK\x03\x04"):
        raise LabelFileError("this is a spreadsheet or another zip file, and no text: save it as CSV")
    if len(start) >= 4 and not (start[::2].strip(b"\0") and start[1::2].strip(b"\0")):
        raise LabelFileError(f"every second byte is 0, as in UTF-16 without a byte order mark: {_CURE}")
    return "utf-8"


def read_text(path: Path) -> str:
    """Read all of a file, without its byte order mark; raises ``LabelFileError`` naming the line that is not text."""
    data = path.read_bytes()
    try:
        if encoding_of(data[:64]) == "utf-16":
            return data.decode("utf-16")
        return data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        if error.encoding != "utf-8":
            raise not_utf16(data[: error.start].decode("utf-16", "replace").count("\n")) from error
        offset = error.start + len(data) - len(error.object)
        start = data.rfind(b"\n", 0, offset) + 1
        raise not_utf8(data[start:], offset - start, data.count(b"\n", 0, offset) + 1, offset) from error


def not_utf8(line: bytes, place: int, number: int, offset: int) -> LabelFileError:
    """Say which byte of a line is wrong: its ``place`` in the line, the line's number, its ``offset`` in the file."""
    around = line[max(place - _SHOWN_BYTES, 0) : place + _SHOWN_BYTES].partition(b"\n")[0].strip()
    return LabelFileError(
        f"line {number} is not UTF-8 (byte 0x{line[place]:02x} at offset {offset} of the file; Windows-1252 would read "
        f"{around.decode('cp1252', 'replace')!r}): {_CURE}"
    )


def not_utf16(lines: int) -> LabelFileError:
    """Say after how many lines a file that begins as UTF-16 no longer is."""
    return LabelFileError(f"somewhere after line {lines} the file is not UTF-16, as which it begins: {_CURE}")
