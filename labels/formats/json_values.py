"""JSON as label files have it: no key twice, no NaN, no halves of characters, no towers of brackets."""

import json
import re
from collections import Counter
from math import isfinite
from typing import Any

MAX_NESTING = 32
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str) -> Any:
    """Parse one JSON value; raises ``ValueError`` with what is wrong with it."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse_constant)
        if _HALF_CHARACTER.search(text):
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is not text
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def json_text(value: Any) -> str:
    """Write a value that was parsed as JSON."""
    return json.dumps(value, ensure_ascii=False)


def is_too_deep(value: Any, levels: int = MAX_NESTING) -> bool:
    """Whether lists and objects lie more than so many levels deep inside a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(is_too_deep(item, levels - 1) for item in value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((repeated, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {repeated[:80]!r} comes twice")
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:80]} is larger than any number")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
