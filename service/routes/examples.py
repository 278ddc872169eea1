"""Requests, and the answers that the service gave to them, for the description of its interface.

They are in ``examples.json``; a test sends the requests, and compares the answers with those of today. Routes name
them, for FastAPI would leave out every null; ``service.description`` puts them in.
"""

import json
from pathlib import Path
from typing import Any

EXAMPLES: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text())


def sent(name: str) -> dict[str, Any]:
    """What OpenAPI says of a request's JSON body beyond its schema: the example of this name."""
    return {"requestBody": {"content": {"application/json": {"example": name}}}}


def answers(name: str, status: int = 200, **headers: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of an answer: its example, and what each of its ``headers`` is for."""
    described = {header: {"description": text, "schema": {"type": "string"}} for header, text in headers.items()}
    content = {"application/json": {"example": name}}
    return {status: {"content": content} | ({"headers": described} if described else {})}


def files(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of an answer that is a file of one of these types."""
    return {200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in media_types}}}
