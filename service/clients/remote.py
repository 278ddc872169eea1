"""Classification by a running service, over HTTP."""

import ssl
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import httpx

from models.errors import LookalikeError
from service.clients.document import Document, Slot, failed

MOST_TRIES = 6
"""Of a request that the service is too busy for."""
_MOST_IMAGES, _MOST_BYTES = 32, 16_000_000
"""In one request, to begin with: what the service takes is learnt from what it refuses."""
_LONGEST_PAUSE = 30.0
_TIMEOUT = httpx.Timeout(60, connect=10)
_BUSY = {429, 503}


class RemoteError(LookalikeError):
    """The service can't be asked, or does not answer as one should; the message names it and the cure."""


class _TooMuchError(RemoteError):
    """The service does not take so much in one request; ``slot`` says so of an image that was sent alone."""

    def __init__(self, message: str, slot: Slot) -> None:
        super().__init__(message)
        self.slot = slot


class Remote:
    """A service at an address, asked for the classes of image files."""

    def __init__(self, server: str, api_key: str | None = None) -> None:
        """``server`` is a URL; raises ``RemoteError`` where it or the key can't be one."""
        self._server = server
        url = _url(server)
        headers = {"Accept": "application/json"}
        if api_key:
            if not (key := api_key.strip()).isascii() or not key.isprintable():
                raise RemoteError("the API key holds characters that no key has")
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=_TIMEOUT,
            verify=ssl.create_default_context(),  # what the system trusts
            trust_env=not _is_here(url.host),  # proxies of the environment are for other machines
        )
        self._most_images = _MOST_IMAGES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def classify(self, images: Iterable[Path], model: str | None, *, level: float, top_k: int) -> Document:
        """Classify image files; one that can't be read fails alone. Raises ``RemoteError``.

        However many requests it takes, one version of the model answers them all.
        """
        query: dict[str, Any] = {"level": level, "top_k": top_k}
        name, _, version = (model or "").partition("@")
        query |= {key: value for key, value in (("model", name), ("version", version)) if value}
        document: Document | None = None
        for batch in _batches(images):
            files = [each for each in batch if isinstance(each, bytes)]
            # Of files none of which can be read the model is not known: an empty one makes the service tell it.
            answer = self._answer(files or [b""], query) if files or document is None else document
            if document is None:
                document = {**answer, "predictions": []}
                query |= {"model": answer["model"]["name"], "version": answer["model"]["version"]}
            predictions = iter(answer["predictions"])
            document["predictions"] += [next(predictions) if isinstance(each, bytes) else each for each in batch]
        if document is None:
            raise RemoteError("there are no images to classify")
        return document

    def _answer(self, files: list[bytes], query: dict[str, Any]) -> Document:
        """Ask, in as many requests as the service needs."""
        parts = [files[i : i + self._most_images] for i in range(0, len(files), self._most_images)]
        if len(parts) > 1:
            answers = [self._answer(part, query) for part in parts]
            return {**answers[0], "predictions": [slot for each in answers for slot in each["predictions"]]}
        try:
            return self._ask(files, query)
        except _TooMuchError as refused:
            if len(files) == 1:
                return {**self._ask([b""], query), "predictions": [refused.slot]}
            self._most_images = len(files) // 2
            return self._answer(files, query)

    def _ask(self, files: list[bytes], query: dict[str, Any]) -> Document:
        form = [("images", (f"{i}", data, "application/octet-stream")) for i, data in enumerate(files)]
        for tried in range(1, MOST_TRIES + 1):
            try:
                response = self._http.post("v1/classify", params=query, files=form)
            except httpx.RequestError as error:
                raise RemoteError(f"{self._server} can't be asked: {_why(error)}") from error
            if response.status_code not in _BUSY or tried == MOST_TRIES:
                break
            time.sleep(_pause(response))
        return self._read(response, files)

    def _read(self, response: httpx.Response, files: list[bytes]) -> Document:
        status = response.status_code
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if status == httpx.codes.OK:
            if isinstance(answer, dict) and "model" in answer and len(answer.get("predictions") or ()) == len(files):
                document: Document = answer  # type: ignore[assignment] # as far as the service is one
                return document
            raise RemoteError(f"{self._server} does not answer as a Lookalike service does: check the address")
        code, detail = (answer.get("code"), answer.get("detail")) if isinstance(answer, dict) else (None, None)
        reason = detail or f"{response.reason_phrase}; check the address"
        cure = "; the key is taken from LOOKALIKE_API_KEY" if status in {401, 403} else ""
        message = f"{self._server} answered {status}: {reason}{cure}"
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or (code == "body" and len(files) > 1):
            raise _TooMuchError(message, {"error": {"code": code or "image_too_large", "detail": reason}})
        raise RemoteError(message)


def _batches(images: Iterable[Path]) -> Iterator[list[bytes | Slot]]:
    """Read files, so many at a time as a request may hold; what can't be read is a slot already."""
    batch: list[bytes | Slot] = []
    size = 0
    for path in images:
        try:
            each: bytes | Slot = path.read_bytes()
        except OSError as error:
            each = failed(error)
        length = len(each) if isinstance(each, bytes) else 0
        if batch and (len(batch) == _MOST_IMAGES or size + length > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


def _url(server: str) -> httpx.URL:
    try:
        url = httpx.URL(server if server.endswith("/") else f"{server}/")
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise RemoteError(f"--server {server}: write a URL such as http://127.0.0.1:8000")
    return url


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pause(response: httpx.Response) -> float:
    """Seconds until the service may be asked again, by what it says itself."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), _LONGEST_PAUSE) if said.isascii() and said.isdigit() else 1.0


def _why(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long to answer"
    return f"{error}" or type(error).__name__
