"""Multipart uploads that stream to disk as they come, under caps: no thread waits for a slow client.

Of what a client calls a file only a known ending is used, and the name before people. What fails leaves no file behind.
"""

import errno
import os
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.http.bodies import BodyError, BodyTooLargeError, capped
from service.http.body_guard import hold

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_TEXT_BYTES = 1 << 20
"""All text fields together."""
_MOST_OF_A_NAME = 200
_WRITE_BYTES = 1 << 20
"""So much is held in memory before it is written."""


@dataclass(frozen=True)
class Upload:
    """A form that came whole."""

    fields: dict[str, str]
    """Text by field."""
    files: dict[str, Path]
    """Files by field, named like the field with the ending of the client's name."""
    called: dict[str, str]
    """What the client calls each of these files, to be shown and for nothing else: by the name that it has here."""


async def receive(
    request: Request,
    into: Path,
    *,
    limit: int,
    files: Mapping[str, tuple[str, ...]],
    texts: Collection[str],
    text_limit: int = MAX_TEXT_BYTES,
) -> Upload:
    """Receive a form of at most ``limit`` bytes; its files are in the folder ``into``, on the disk, when this returns.

    ``files`` has the fields that may hold one file each, with the endings that its name may have; ``texts`` are the
    other fields. Raises ``BodyError`` as soon as something is not as it should be, ``ClientDisconnect`` if the client
    leaves, and ``OSError`` where there is no room; then nothing is left in ``into``.
    """
    body = capped(request, limit)
    if int(request.headers.get("content-length") or 0) > shutil.disk_usage(into).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(into))
    form = _Form(into, files, texts, text_limit)
    try:
        parser = _parser(request.headers.get("content-type", ""), form)
        async for chunk in body.stream():
            _parse(parser, chunk)
            if form.held >= _WRITE_BYTES:
                await run_in_threadpool(form.write)
                hold(request, form.text_bytes)
        await run_in_threadpool(form.finish)
        hold(request, form.text_bytes)
    except BaseException:
        form.remove()
        raise
    files_by_field = {name: file.path for name, file in form.files.items()}
    return Upload(form.texts, files_by_field, {file.path.name: file.called for file in form.files.values()})


def _parser(content_type: str, form: "_Form") -> MultipartParser:
    kind, parameters = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise BodyError("send the request as multipart/form-data")
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise BodyError("malformed form: Missing boundary in multipart.")
    try:
        return MultipartParser(boundary, form.callbacks())
    except FormParserError as error:
        raise BodyError(f"malformed form: {error}") from error


def _parse(parser: MultipartParser, chunk: bytes) -> None:
    try:
        parser.write(chunk)
    except FormParserError as error:
        raise BodyError(f"malformed form: {error}") from error


@dataclass
class _File:
    """A file on its way to the disk."""

    path: Path
    called: str
    held: bytearray = field(default_factory=bytearray)
    _out: BinaryIO | None = None

    def write(self) -> None:
        if self._out is None:
            self._out = self.path.open("xb")
        self._out.write(self.held)
        self.held.clear()

    def finish(self) -> None:
        self.write()
        assert self._out is not None
        self._out.flush()
        os.fsync(self._out.fileno())
        self._out.close()

    def remove(self) -> None:
        if self._out is not None:
            with suppress(OSError):  # what could not be written before can't be written now
                self._out.close()
            self.path.unlink(missing_ok=True)


class _Form:
    """What the parser has found so far. It is called with pieces of any size."""

    def __init__(
        self, into: Path, endings: Mapping[str, tuple[str, ...]], known: Collection[str], text_limit: int
    ) -> None:
        self.texts: dict[str, str] = {}
        self.files: dict[str, _File] = {}
        self._into, self._endings, self._known = into, endings, known
        self._text_limit = self._text_left = text_limit
        self._ended = False
        self._name = ""
        self._part = bytearray()
        self._header = self._value = self._disposition = b""

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    @property
    def held(self) -> int:
        """Bytes of files that are still in memory."""
        return sum(len(file.held) for file in self.files.values())

    @property
    def text_bytes(self) -> int:
        """Bytes of text fields, which stay in memory."""
        return self._text_limit - self._text_left

    def write(self) -> None:
        """Write what is held to the disk."""
        for file in self.files.values():
            if file.held:
                file.write()

    def finish(self) -> None:
        """Write all of it, and see it on the disk, names included; raises ``BodyError`` where the form goes on."""
        if not self._ended:
            raise BodyError("malformed form: its last boundary is missing, so it was cut short")
        for file in self.files.values():
            file.finish()
        folder = os.open(self._into, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """Remove what was written."""
        for file in self.files.values():
            file.remove()

    def _begin(self) -> None:
        self._disposition = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _open(self) -> None:
        kind, parameters = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in parameters:
            raise BodyError('malformed form: each part needs a header Content-Disposition: form-data; name="..."')
        self._name = parameters[b"name"].decode(errors="replace")
        file_name = parameters.get(b"filename")
        if file_name is not None:
            self._open_file(file_name.decode(errors="replace"))
            return
        if self._name in self._endings:
            raise BodyError(f"{self._name}: send files (with a filename), not text")
        if self._name in self.texts:
            raise BodyError(f"{self._name}: send it once")
        if self._name not in self._known:
            known = ", ".join(sorted({*self._endings, *self._known}))
            raise BodyError(f"{self._name}: there is no such field; the fields are {known}")
        self._part = bytearray()

    def _open_file(self, name: str) -> None:
        field, endings = self._name, self._endings.get(self._name)
        if endings is None:
            raise BodyError(f"{field}: send it as text, not as a file")
        if field in self.files:
            raise BodyError(f"send exactly one file in the field `{field}`")
        ending = next((ending for ending in endings if name.lower().endswith(ending)), None)
        if ending is None:
            cure = "; save a spreadsheet as CSV" if ".csv" in endings else ""
            raise BodyError(f"{field}: the file's name must end in one of {', '.join(endings)}{cure}")
        file = _File(self._into / f"{field}{ending}", _shown(name))
        self.files[field] = file
        self._part = file.held

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name not in self.files:
            self._text_left -= end - start
            if self._text_left < 0:
                raise BodyTooLargeError(f"{self._name}: the text fields are too long; what is large is sent as a file")
        self._part += data[start:end]

    def _close(self) -> None:
        if self._name in self.files:
            return
        try:
            self.texts[self._name] = self._part.decode()
        except UnicodeDecodeError as error:
            raise BodyError(f"{self._name}: the text is not UTF-8") from error

    def _end(self) -> None:
        self._ended = True


def _shown(name: str) -> str:
    """A file's name without folders, fit for a line of text."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "?" for letter in last)[-_MOST_OF_A_NAME:]
