"""What the pages load: style sheets, modules and pictures, kept in memory and addressed by what is in them.

Every address has the digest of all files, so that a browser may keep them for good, and modules that import each other
by relative names are always of one edition.
"""

import hashlib
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

_FOLDER = Path(__file__).parent / "static"
EXAMPLE_KIT = Path(__file__).parent / "example_kit"
"""Images, their labels, and which of these are wrong; `examples/` has a link to it. It is here to be installed."""
_EXAMPLES = ("037", "016", "013", "025", "002", "074")
_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css")
PREFIX = "/static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_FOR_GOOD, _NOT_AT_ALL = "public, max-age=31536000, immutable", "no-store"

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@dataclass(frozen=True)
class StaticFile:
    """A file as it is answered."""

    content: bytes
    media_type: str
    etag: str


def _read(name: str, content: bytes) -> StaticFile:
    return StaticFile(content, _TYPES[Path(name).suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _read_all() -> dict[str, StaticFile]:
    bundled = importlib.resources.files("fastapi_offline") / "static"
    paths = {path.name: path for path in sorted(_FOLDER.iterdir())}
    paths |= {f"example-{number}.png": EXAMPLE_KIT / "images" / f"{number}.png" for number in _EXAMPLES}
    contents = {name: path.read_bytes() for name, path in paths.items()}
    contents |= {name: (bundled / name).read_bytes() for name in _SWAGGER}
    return {name: _read(name, content) for name, content in contents.items()}


FILES = _read_all()
"""By their names; nothing that is not in here is ever answered."""
EXAMPLE_IMAGES = tuple(name for name in FILES if name.startswith("example-"))
EDITION = hashlib.sha256("".join(name + file.etag for name, file in FILES.items()).encode()).hexdigest()[:16]
"""Names all of them as they are now."""


def address(name: str) -> str:
    """Where a file is found; raises ``KeyError`` for one that there is not."""
    FILES[name]
    return f"{PREFIX}/{EDITION}/{name}"


@router.get("/{edition}/{name}")
def static_file(edition: str, name: str, request: Request) -> Response:
    """Answer a file, for good; under the address of another edition what there is now, to be kept by nobody."""
    file = FILES.get(name)
    if file is None:
        raise HTTPException(404)
    headers = {
        "Cache-Control": _FOR_GOOD if edition == EDITION else _NOT_AT_ALL,
        "ETag": file.etag,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)
