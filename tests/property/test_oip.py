"""Tensors on their way in and out: what is sent comes back as it was, and no bytes do harm."""

import json
from base64 import b64encode
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tritonclient.http import InferResult
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from models.preprocessing import InputSpec
from models.scores import Scores
from service.http.bodies import BodyError
from service.oip.framing import JSON_LENGTH, parse, response, split
from service.oip.inputs import read_images
from service.oip.messages import InferRequest
from service.oip.outputs import Wanted, write_outputs

SPEC = InputSpec(height=3, width=2, channels=3, resize=3)
MOST = 4
CLASSES = ("ant", "bee: a wasp", "çat")

pixels = st.integers(1, MOST).flatmap(lambda n: arrays(np.uint8, (n, 3, 2, 3)))
files = st.lists(st.binary(max_size=50), min_size=1, max_size=MOST)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.integers(1, 3).flatmap(lambda n: st.tuples(*(arrays(np.float32, (n, 3), elements=floats),) * 4))


def read(body: bytes, json_length: str | None) -> np.ndarray | list[bytes]:
    """The images of a body, as the route reads it."""
    message, binary = split(body, json_length)
    return read_images(parse(InferRequest, message).inputs, binary, SPEC, most=MOST)


def framed(tensor: dict[str, Any], behind: bytes) -> tuple[bytes, str]:
    """A body with its tensor behind the JSON, and the length of the JSON."""
    message = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(behind)}}]}).encode()
    return message + behind, str(len(message))


@settings(deadline=None)
@given(pixels)
def test_pixels_arrive_as_they_were_sent(sent: np.ndarray) -> None:
    """As binary data, as nested lists and as a flat list, every pixel is in its place."""
    tensor = {"name": "images", "datatype": "UINT8", "shape": sent.shape}
    np.testing.assert_array_equal(read(*framed(tensor, sent.tobytes())), sent)
    for data in (sent.tolist(), sent.ravel().tolist()):
        np.testing.assert_array_equal(read(json.dumps({"inputs": [tensor | {"data": data}]}).encode(), None), sent)


@settings(deadline=None)
@given(files)
def test_files_arrive_as_they_were_sent(sent: list[bytes]) -> None:
    """As binary data, the way Triton's client writes them, and as base64, every byte is in its place."""
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(sent)]}
    behind = serialize_byte_tensor(np.array(sent, dtype=np.object_)).item()
    assert read(*framed(tensor, behind)) == sent
    data = [b64encode(each).decode() for each in sent]
    assert read(json.dumps({"inputs": [tensor | {"data": data}]}).encode(), None) == sent


@settings(deadline=None)
@given(rows, st.lists(st.booleans(), min_size=4, max_size=4), st.sampled_from([None, 1, 2, 5]))
def test_numbers_leave_as_they_are(given_rows: tuple[np.ndarray, ...], binary: list[bool], best: int | None) -> None:
    """Triton's client reads the same float32 numbers, and the best classes in words, from JSON and binary data."""
    logits, embeddings, p, masses = given_rows
    scores = Scores(logits, embeddings, p, masses, np.zeros(logits.shape, np.intp), np.zeros(len(p), np.bool_))
    sent = {"logits": logits, "probabilities": p, "group_probabilities": masses, "embedding": embeddings}
    counts = [best, None, best, None]
    wanted = [Wanted(name, form, count) for name, form, count in zip(sent, binary, counts, strict=True)]
    tensors, behind = write_outputs(wanted, scores, CLASSES)
    answer = response({"outputs": tensors}, behind)
    length = answer.headers.get(JSON_LENGTH)
    result = InferResult.from_response_body(answer.body, header_length=None if length is None else int(length))
    for each in wanted:
        found = result.as_numpy(each.name)
        if each.best is None:
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, sent[each.name])
            continue
        for words, numbers in zip(found, sent[each.name], strict=True):
            ranked = np.argsort(-numbers, kind="stable")[: each.best]
            texts = [text.decode() if isinstance(text, bytes) else text for text in words]
            assert texts == [f"{numbers[k]:f}:{k}:{CLASSES[k]}" for k in ranked]


def test_words_are_written_as_triton_reads_them() -> None:
    """Class names of any letters survive as elements of a BYTES tensor."""
    scores = Scores(*(np.eye(3, dtype=np.float32),) * 4, np.zeros((3, 3), np.intp), np.zeros(3, np.bool_))
    _, (behind,) = write_outputs([Wanted("logits", binary=True, best=1)], scores, CLASSES)
    words = [element.decode().split(":", 2)[2] for element in deserialize_bytes_tensor(behind)]
    assert words == list(CLASSES)


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner)
)
near = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["images", "image"]) | anything,
        "datatype": st.sampled_from(["UINT8", "BYTES"]) | anything,
        "shape": st.lists(st.sampled_from([-1, 0, 1, 2, 3, 10**9]), max_size=5) | anything,
        "data": st.lists(st.integers(0, 255), max_size=36) | st.lists(st.text(max_size=8), max_size=3) | anything,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 40) | anything}),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(near, max_size=2) | anything, st.binary(max_size=40), st.integers(-1, 5) | st.none())
def test_a_request_is_read_or_refused(inputs: Any, behind: bytes, off: int | None) -> None:
    """Whatever a request says, it is images of the model's size, as many as allowed, or a ``BodyError``."""
    message = json.dumps({"inputs": inputs}).encode()
    try:
        images = read(message + behind, None if off is None else str(len(message) + off))
    except BodyError:
        return
    assert 1 <= len(images) <= MOST
    if isinstance(images, np.ndarray):
        assert images.shape[1:] == (3, 2, 3)


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(max_size=5) | st.integers(0, 300).map(str) | st.none())
def test_bytes_are_refused(body: bytes, json_length: str | None) -> None:
    """Bytes that are no request are a ``BodyError`` and nothing else."""
    with pytest.raises(BodyError):
        read(body, json_length)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=300) | st.lists(near, max_size=2).map(lambda inputs: orjson.dumps({"inputs": inputs})),
    json_length=st.none() | st.integers(0, 400).map(str),
    path=st.sampled_from(
        [
            "models/fashion-mnist/infer",
            "models/fashion-mnist/versions/1/infer",
            "repository/index",
            "repository/models/nope/load",
            "repository/models/nope/unload",
        ]
    ),
)
def test_no_bytes_break_the_service(service: Any, body: bytes, json_length: str | None, path: str) -> None:
    """The server has an answer to everything: what was asked for, or the protocol's error with a 4xx."""
    headers = {} if json_length is None else {JSON_LENGTH: json_length}
    answer = service.http.post(f"/v2/{path}", content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 200 or answer.json().keys() == {"error"}
