"""The OpenAPI document is exact: its examples run, and every answer is what it says, no less and no more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

EXAMPLES = Path(__file__).resolve().parents[2] / "service" / "routes" / "examples.json"
VOLATILE = {"id", "created_at", "decided_at", "rows_per_second", "eta_seconds", "request_id"}
"""What is another at each run."""
AUDIT = "/v1/audits/{audit_id}"
CALLS = [
    ("get", "/healthz", "alive"),
    ("get", "/readyz", "ready"),
    ("post", "/v1/classify", "classified"),
    ("post", "/v1/audits/preview", "preview"),
    ("post", "/v1/audits", "submitted"),
    ("get", AUDIT, "audit"),
    ("get", "/v1/audits", "audits"),
    ("get", f"{AUDIT}/report", "report"),
    ("get", f"{AUDIT}/confidence-labels", "confidence_labels"),
    ("get", f"{AUDIT}/rows", "rows"),
    ("get", f"{AUDIT}/pairs", "pairs"),
    ("get", f"{AUDIT}/rows/{{row}}/evidence", "evidence"),
    ("patch", f"{AUDIT}/rows/{{row}}", "decision"),
    ("post", f"{AUDIT}/decisions", "decisions"),
    ("get", f"{AUDIT}/rows/{{row}}/decisions", "history"),
    ("get", f"{AUDIT}/review", "review"),
    ("post", f"{AUDIT}/rescore", "rescored"),
    ("post", f"{AUDIT}/cancel", "audit"),
    ("get", "/v1/models", None),
    ("get", "/v1/models/{name}", None),
    ("get", f"{AUDIT}/events", None),
    ("get", f"{AUDIT}/export", None),
    ("get", "/metrics", None),
    ("get", f"{AUDIT}/rows/{{row}}/image", None),
    ("delete", AUDIT, None),
]
"""In the order of a life: what is made before it is read, removed when all else is done."""


@pytest.fixture(scope="module")
def running(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service of one's own: what is in the examples must not depend on what others did before."""
    with start_service(tmp_path_factory.mktemp("openapi")) as service:
        yield service


@pytest.fixture(scope="module")
def document(running: Any) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/openapi.json").json()
    return found


def example_of(parameter: dict[str, Any]) -> Any:
    examples = parameter["schema"].get("examples")
    return None if examples is None else examples[0]


def send(running: Any, operation: dict[str, Any], method: str, path: str, known: dict[str, Any]) -> httpx.Response:
    """Send the request that an operation's examples make; ``known`` stands for what only a run can know."""
    given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
    for parameter in operation.get("parameters", ()):
        value = known.get(parameter["name"], example_of(parameter))
        if value is not None:
            given[parameter["in"]][parameter["name"]] = value
    body: dict[str, Any] = {}
    for kind, described in operation.get("requestBody", {}).get("content", {}).items():
        if "image" in known and kind == "image/*":
            body = {"content": known["image"], "headers": {"Content-Type": "image/png"}}
        elif kind == "application/json":
            body = {"json": described["example"]}
        elif kind == "multipart/form-data" and "example" in described:
            fields = dict(described["example"])
            body = {"files": {"labels": ("labels.csv", fields.pop("labels"))}, "data": fields}
    body["headers"] = given["header"] | body.get("headers", {})
    answer: httpx.Response = running.http.request(
        method, path.format(**given["path"]), params=given["query"], follow_redirects=False, **body
    )
    return answer


@pytest.fixture(scope="module")
def answered(running: Any, document: dict[str, Any], kit: Any) -> dict[tuple[str, str], httpx.Response]:
    """The answers to the examples of all operations, sent one after the other."""
    found: dict[tuple[str, str], httpx.Response] = {}
    known: dict[str, Any] = {"image": kit.image(37).read_bytes()}
    for method, path, _ in CALLS:
        if path == f"{AUDIT}/rows/{{row}}/image":  # the example has no images
            location = running.audit("image,label\n000.png,Coat\n001.png,Bag\n", kit.archive)
            known |= {"audit_id": location.rpartition("/")[2], "row": 1}
        answer = send(running, document["paths"][path][method], method, path, known)
        found[method, path] = answer
        if answer.status_code == 202:
            known["audit_id"] = answer.json()["id"]
            running.ended(f"/v1/audits/{known['audit_id']}")
    return found


def test_every_operation_is_called(document: dict[str, Any]) -> None:
    """No operation of this service's own interface is left out here."""
    described = {
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if not path.startswith("/v2")
    }
    assert described == {(method, path) for method, path, _ in CALLS}


@pytest.mark.parametrize(("method", "path", "_"), CALLS)
def test_an_example_gets_the_answer_that_is_described(
    answered: Any, document: dict[str, Any], method: str, path: str, _: Any
) -> None:
    """The request made of an operation's examples succeeds, with a described status, type, headers and shape."""
    answer, operation = answered[method, path], document["paths"][path][method]
    assert answer.status_code < 400, answer.text
    described = operation["responses"][str(answer.status_code)]
    assert described.get("headers", {}).keys() <= {
        name.title() if name != "etag" else "ETag" for name in answer.headers
    }
    content = described.get("content", {})
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    assert (kind in content) if answer.content else not content
    if kind == "application/json":
        check(answer.json(), content[kind]["schema"], document)


def check(answer: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    """Validate an answer, and let no field pass that is not described."""
    closed = close(schema | {"components": document["components"]})
    Draft202012Validator(closed, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer)


def close(schema: Any) -> Any:
    """The schema without room for what it does not name."""
    if isinstance(schema, list):
        return [close(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: value if key in {"example", "examples"} else close(value) for key, value in schema.items()}
    if "properties" in schema and "type" in schema and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


def test_examples_are_answers_that_were_given(answered: Any, kit: Any, tmp_path: Path) -> None:
    """The answers in the document are those that the service gives today, but for ids and times."""
    recorded = json.loads(EXAMPLES.read_text())
    today = {name: recorded[name] for name in ("submit", "preview_of", "decide", "decide_many")} | {
        name: answered[method, path].json() for method, path, name in CALLS if name is not None
    }
    if not alike(recorded, today):
        fresh = tmp_path / "examples.json"
        text = json.dumps(today, indent=1)
        # Short lists of plain values, as of a transition matrix, take one line.
        text = re.sub(r"\[\s+([^\[\]{}]{,90}?)\s+\]", lambda m: f"[{re.sub(chr(10) + ' *', ' ', m[1])}]", text)
        fresh.write_text(text + "\n")
        pytest.fail(f"the answers have changed: if they were meant to, copy {fresh} over {EXAMPLES}")


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(key in VOLATILE or alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return bool(one == pytest.approx(other, rel=1e-3, abs=1e-6))
    return bool(one == other)


def test_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    """Whoever makes code or requests of the document finds no example in it that it would refuse itself."""
    examples = list(described_examples(document["paths"]))
    assert len(examples) > 20
    for example, schema in examples:
        check(example, schema, document)


def described_examples(part: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """All examples beside their schemas, and those inside schemas."""
    if isinstance(part, list):
        for each in part:
            yield from described_examples(each)
    elif isinstance(part, dict):
        if "schema" in part and "example" in part:
            yield part["example"], part["schema"]
        for example in part.get("examples", ()) if "type" in part else ():
            yield example, part
        for key, each in part.items():
            if key not in {"example", "examples"}:
                yield from described_examples(each)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("get", "/v1/models/{name}", {}, 404),
        ("post", "/v1/classify", {"content": b"x", "headers": {"Content-Type": "image/png"}}, 415),
        ("post", "/v1/classify", {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 422),
        ("post", "/v1/audits", {"data": {"a": "b"}, "files": {"images": ("a.zip", b"")}}, 422),
        ("get", AUDIT, {}, 404),
        ("get", f"{AUDIT}/events", {}, 404),
        ("get", f"{AUDIT}/rows", {"params": {"limit": 0}}, 422),
        ("patch", f"{AUDIT}/rows/{{row}}", {"json": {"decision": "perhaps"}}, 422),
        ("delete", AUDIT, {}, 404),
    ],
)
def test_errors_are_described_too(
    running: Any, document: dict[str, Any], method: str, path: str, body: dict[str, Any], status: int
) -> None:
    """A refusal has a status that the operation names, and is a problem document as described."""
    answer = running.http.request(method, path.format(name="nope", audit_id="0" * 16, row=3), **body)
    assert answer.status_code == status
    content = document["paths"][path][method]["responses"][str(status)]["content"]
    check(answer.json(), content[answer.headers["Content-Type"]]["schema"], document)


def test_a_wrong_method_is_told_the_right_ones(running: Any, document: dict[str, Any]) -> None:
    """Where a path has several methods, all of them are named to who comes with another."""
    for path, operations in document["paths"].items():
        answer = running.http.put(path.format(name="a", version="1", audit_id="0" * 16, row=0))
        assert answer.status_code == 405
        assert set(answer.headers["Allow"].lower().split(", ")) == set(operations)


def test_the_limit_on_images_is_described(running: Any, document: dict[str, Any]) -> None:
    """The document says how many images this very service takes."""
    content = document["paths"]["/v1/classify"]["post"]["requestBody"]["content"]
    images = content["multipart/form-data"]["schema"]["properties"]["images"]
    assert (images["minItems"], images["maxItems"]) == (1, running.services.settings.max_images)
