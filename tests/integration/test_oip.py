"""What the Open Inference Protocol refuses: in its own words, with the right status, and at no cost."""

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

NAME = "fashion-mnist"
INFER = f"/v2/models/{NAME}/infer"
JSON_LENGTH = "Inference-Header-Content-Length"
PIXELS = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28, 1]}
GOOD = PIXELS | {"data": [0] * 784}
BINARY = PIXELS | {"parameters": {"binary_data_size": 784}}
FILE = {"name": "image", "datatype": "BYTES", "shape": [1]}


def send(service: Any, message: Any, behind: bytes = b"", **headers: str) -> httpx.Response:
    """A request as a client writes it: the JSON, its length, and what lies behind it."""
    content = json.dumps(message).encode()
    length = {JSON_LENGTH: str(len(content))} if behind else {}
    answer: httpx.Response = service.http.post(INFER, content=content + behind, headers=length | headers)
    return answer


def says(answer: httpx.Response, status: int, *words: str) -> bool:
    """Whether an answer is an error of the protocol with these words."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}, body
    assert answer.status_code == status, body
    for word in words:
        assert word in body["error"]
    return True


def asked(*inputs: Any, **fields: Any) -> dict[str, Any]:
    return {"inputs": list(inputs)} | fields


BAD_INPUTS: dict[str, tuple[Any, bytes, str]] = {
    "no inputs": ({}, b"", "inputs"),
    "an empty list of inputs": (asked(), b"", "inputs"),
    "an input twice": (asked(GOOD, GOOD), b"", "send one"),
    "both inputs": (asked(GOOD, FILE | {"data": [""]}), b"", "send one"),
    "a thousand inputs": (asked(*[GOOD] * 1000), b"", "inputs"),
    "another input": (asked(GOOD | {"name": "pixels"}), b"", "inputs.0.name: Input should be 'images' or 'image'"),
    "another type": (asked(GOOD | {"datatype": "FP32"}), b"", "inputs.0.datatype: Input should be 'UINT8'"),
    "a type that is none": (asked(GOOD | {"datatype": "x" * 10_000}), b"", "inputs.0.datatype"),
    "another size": (asked(GOOD | {"shape": [1, 28, 28, 3]}), b"", "[N, 28, 28, 1]"),
    "another rank": (asked(GOOD | {"shape": [28, 28]}), b"", "[N, 28, 28, 1]"),
    "no dimensions": (asked(GOOD | {"shape": []}), b"", "[N, 28, 28, 1]"),
    "a thousand dimensions": (asked(GOOD | {"shape": [1] * 1000}), b"", "inputs.0.shape"),
    "a billion images": (asked(GOOD | {"shape": [10**9, 28, 28, 1]}), b"", "1 to 64 images"),
    "no images": (asked(GOOD | {"shape": [0, 28, 28, 1], "data": []}), b"", "1 to 64 images"),
    "fewer than none": (asked(GOOD | {"shape": [-1, 28, 28, 1]}), b"", "1 to 64 images"),
    "half an image": (asked(GOOD | {"shape": [0.5, 28, 28, 1]}), b"", "inputs.0.shape.0"),
    "a number beyond all types": (asked(GOOD | {"shape": [10**30, 28, 28, 1]}), b"", "inputs.0.shape.0"),
    "one element less": (asked(GOOD | {"data": [0] * 783}), b"", "the data 783"),
    "other nesting": (asked(GOOD | {"data": [[[0] * 784]]}), b"", "nested"),
    "ragged nesting": (asked(GOOD | {"data": [[0] * 28, 3]}), b"", "nested"),
    "a value too large": (asked(GOOD | {"data": [256] + [0] * 783}), b"", "0 to 255"),
    "a value below zero": (asked(GOOD | {"data": [-1] + [0] * 783}), b"", "0 to 255"),
    "a fraction": (asked(GOOD | {"data": [0.5] + [0] * 783}), b"", "0 to 255"),
    "a text among numbers": (asked(GOOD | {"data": ["0"] + [0] * 783}), b"", "0 to 255"),
    "null among numbers": (asked(GOOD | {"data": [None] + [0] * 783}), b"", "0 to 255"),
    "no data": (asked(PIXELS), b"", "send its data"),
    "data that are no list": (asked(GOOD | {"data": 784}), b"", "inputs.0.data"),
    "a size and nothing behind": (asked(BINARY), b"", "0 bytes follow"),
    "a size and less behind": (asked(BINARY), b"x" * 783, "783 bytes follow"),
    "a size and more behind": (asked(BINARY), b"x" * 785, "785 bytes follow"),
    "a size that is none": (asked(PIXELS | {"parameters": {"binary_data_size": "784"}}), b"x" * 784, "'784'"),
    "a billion bytes": (asked(PIXELS | {"parameters": {"binary_data_size": 10**9}}), b"x", "1 bytes follow"),
    "bytes that nobody announced": (asked(GOOD), b"x", "not both"),
    "data here and there": (asked(BINARY | {"data": [0] * 784}), b"x" * 784, "not both"),
    "fewer bytes than the shape": (asked(PIXELS | {"parameters": {"binary_data_size": 3}}), b"xxx", "the data 3"),
    "shared memory": (asked(PIXELS | {"parameters": {"shared_memory_region": "x"}}), b"", "shared memory"),
    "a parameter that is a list": (asked(GOOD | {"parameters": {"a": []}}), b"", "inputs.0.parameters.a"),
    "a long parameter": (asked(GOOD | {"parameters": {"a" * 10_000: []}}), b"", "inputs.0.parameters.aaa"),
    "an id that is a number": (asked(GOOD, id=7), b"", "id"),
    "files of two dimensions": (asked(FILE | {"shape": [1, 1], "data": [""]}), b"", "BYTES [N]"),
    "files of another type": (asked(FILE | {"datatype": "UINT8", "data": [""]}), b"", "BYTES [N]"),
    "fewer files than said": (asked(FILE | {"shape": [2], "data": [""]}), b"", "the data 1"),
    "a file that is no base64": (asked(FILE | {"data": ["?"]}), b"", "element 0 must be base64"),
    "a file that is a number": (asked(FILE | {"data": [1]}), b"", "element 0 must be base64"),
    "a file that is no ASCII": (asked(FILE | {"data": ["é"]}), b"", "element 0 must be base64"),
    "a file without its length": (asked(FILE | {"parameters": {"binary_data_size": 3}}), b"\1\0\0", "end before"),
    "a file longer than all": (
        asked(FILE | {"parameters": {"binary_data_size": 5}}), b"\xff\xff\xff\xffx", "says 4,294,967,295 bytes"),
    "a file and more": (asked(FILE | {"parameters": {"binary_data_size": 6}}), b"\1\0\0\0xy", "1 bytes follow"),
    "nothing as a file": (asked(FILE | {"data": [""]}), b"", "element 0: The image is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_a_bad_input_is_refused_by_name(service: Any, name: str) -> None:
    """Whatever is wrong with a tensor is a 400 that says what, and nothing was let in for it."""
    message, behind, words = BAD_INPUTS[name]
    answer = send(service, message, behind)
    assert says(answer, 400, words)
    assert len(answer.content) < 1000
    assert service.services.models.get().admission.admitted == 0


BAD_OUTPUTS = {
    "unknown": ([{"name": "logit"}], "outputs.0.name: Input should be 'logits', 'probabilities'"),
    "twice": ([{"name": "logits"}, {"name": "logits"}], "ask for each once"),
    "a thousand": ([{"name": "logits"}] * 1000, "outputs"),
    "binary or so": ([{"name": "logits", "parameters": {"binary_data": 1}}], "binary_data is true or false"),
    "no class": ([{"name": "logits", "parameters": {"classification": 0}}], "classification"),
    "half a class": ([{"name": "logits", "parameters": {"classification": 0.5}}], "classification"),
    "classes of an embedding": ([{"name": "embedding", "parameters": {"classification": 1}}], "embedding has none"),
    "shared memory": ([{"name": "logits", "parameters": {"shared_memory_region": "x"}}], "shared memory"),
}


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_a_bad_output_is_refused_by_name(service: Any, name: str) -> None:
    """An output that can't be given is a 400 before any work is done."""
    outputs, words = BAD_OUTPUTS[name]
    assert says(send(service, asked(GOOD, outputs=outputs)), 400, words)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ("9999999", "it says 9,999,999 bytes"),
        ("-1", "digits"),
        ("1e3", "digits"),
        ("9" * 5000, "digits"),
        ("3", "JSON"),
    ],
)
def test_a_length_that_does_not_fit_is_refused(service: Any, length: str, words: str) -> None:
    """The length of the JSON must be a number, within the body, and where the JSON ends."""
    assert says(send(service, asked(BINARY), b"x" * 784, **{JSON_LENGTH: length}), 400, words)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"NaN", b'{"inputs": [{"shape": [NaN]}]}', b"[" * 100_000, b'{"id": "\\ud800"}'],
    ids=["nothing", "half", "no UTF-8", "a list", "NaN", "NaN inside", "deep", "a lone surrogate"],
)
def test_a_body_that_is_no_request_is_refused(service: Any, content: bytes) -> None:
    """Anything but a JSON object of the protocol is a 400."""
    assert says(service.http.post(INFER, content=content), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nope", 404),
        ("GET", "/v2/models/nope", 404),
        ("GET", "/v2/models/nope/ready", 404),
        ("GET", f"/v2/models/{NAME}/versions/99", 404),
        ("GET", f"/v2/models/{NAME}/versions/one/ready", 404),
        ("GET", "/v2/models/..%2F..%2Fetc", 404),
        ("POST", "/v2/models/nope/infer", 404),
        ("POST", f"/v2/models/{NAME}/versions/99/infer", 404),
        ("POST", "/v2/repository/models/nope/load", 404),
        ("POST", "/v2/repository/models/nope/unload", 404),
        ("GET", INFER, 405),
        ("DELETE", f"/v2/models/{NAME}", 405),
        ("GET", "/v2/repository/index", 405),
    ],
)
def test_what_is_not_there_is_an_error_of_the_protocol(service: Any, method: str, path: str, status: int) -> None:
    """Unknown models, versions, paths and methods have the protocol's error, too."""
    assert says(service.http.request(method, path), status)


def test_a_path_beside_the_protocol_has_the_services_errors(service: Any) -> None:
    """A path that only begins like the protocol's is none of it."""
    assert service.http.get("/v2x").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b'{"ready": "yes"}', b'{"ready": 1}', b"[]"])
def test_an_index_that_is_asked_for_wrongly_is_refused(service: Any, content: bytes) -> None:
    """The index takes nothing or ``{"ready": true}``."""
    assert says(service.http.post("/v2/repository/index", content=content), 400)


def test_a_failure_inside_is_an_error_of_the_protocol_and_tells_nothing(
    start_service: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is a 500 in the protocol's form, without what went wrong."""

    def broken(_: Any) -> None:
        raise RuntimeError("the secret of the house")

    with start_service(tmp_path) as service:
        loaded = service.services.models.get()
        monkeypatch.setattr(loaded.queue.model, "score", broken)
        answer = send(service, asked(GOOD))
    assert says(answer, 500)
    assert "secret" not in answer.text


@pytest.fixture(scope="module")
def small(start_service: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with small limits."""
    limits = {"max_infer_bytes": 20_000, "max_image_bytes": 500, "max_images": 2, "max_queue": 2, "hold_seconds": 0}
    with start_service(tmp_path_factory.mktemp("small"), **limits) as running:
        yield running


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 1000):
        yield b"x" * 1000


def test_what_is_too_large_is_a_413(small: Any, kit: Any) -> None:
    """A body over the limit, announced or not, and an encoded image over its own."""
    assert says(small.http.post(INFER, content=b"x" * 30_000), 413, "20,000 bytes")
    assert says(small.http.post(INFER, content=chunks(30_000)), 413, "20,000 bytes")
    picture = kit.image(0).read_bytes() + bytes(500)
    content = len(picture).to_bytes(4, "little") + picture
    file = FILE | {"parameters": {"binary_data_size": len(content)}}
    assert says(send(small, asked(file), content), 413, "element 0: ", "500 bytes")


@pytest.mark.parametrize("content", [b" " * 8_000_001, b"[" + b"[]," * 200_000 + b"[]]"], ids=["bytes", "lists"])
def test_json_that_is_too_large_is_told_of_binary_data(service: Any, content: bytes) -> None:
    """JSON is expensive: past some megabytes, or very many lists, the client is told how to send tensors."""
    assert says(service.http.post(INFER, content=content), 413, "binary data")


def test_a_busy_service_says_when_to_come_back(small: Any, eventually: Any) -> None:
    """With the queue full a request is a 503 with ``Retry-After``; the one that was let in is answered."""
    loaded, free = small.services.models.get(), threading.Event()
    model = loaded.queue.model

    class Held:
        def score(self, images: Any) -> Any:
            assert free.wait(60)
            return model.score(images)

    two = PIXELS | {"shape": [2, 28, 28, 1], "parameters": {"binary_data_size": 2 * 784}}
    loaded.queue.model = Held()
    try:
        with ThreadPoolExecutor() as pool:
            first = pool.submit(send, small, asked(two), bytes(2 * 784))
            eventually(lambda: loaded.admission.admitted == 2, "the queue is full")
            refused = send(small, asked(GOOD))
            free.set()
            assert first.result().status_code == 200
    finally:
        free.set()
        loaded.queue.model = model
    assert says(refused, 503)
    assert refused.headers["Retry-After"] == "1"


def test_a_server_that_is_told_to_stop_is_not_ready(small: Any) -> None:
    """While it drains a load balancer is told to look elsewhere, and the process still counts as alive."""
    assert small.http.get("/v2/health/ready").json() == {"ready": True}
    small.services.draining.set()
    try:
        assert says(small.http.get("/v2/health/ready"), 503)
        assert small.http.get("/v2/health/live").json() == {"live": True}
    finally:
        small.services.draining.clear()


def test_the_documented_example_works(service: Any) -> None:
    """The request that OpenAPI shows is answered with what it asks for."""
    described = service.http.get("/openapi.json").json()["paths"]["/v2/models/{name}/infer"]["post"]
    answer = service.http.post(INFER, json=described["requestBody"]["content"]["application/json"]["example"])
    assert answer.status_code == 200, answer.text
    assert [output["name"] for output in answer.json()["outputs"]] == ["embedding"]


def test_json_data_may_be_nested_or_flat(service: Any, kit: Any) -> None:
    """Both forms of a JSON tensor mean the same, and unknown fields are passed over."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1))
    tensor = PIXELS | {"shape": [2, 28, 28, 1]}
    nested = send(service, asked(tensor | {"data": pixels.tolist()}, model_name="whatever"))
    flat = send(service, asked(tensor | {"data": pixels.ravel().tolist()}))
    assert nested.status_code == 200, nested.text
    assert nested.json() == flat.json()


@pytest.fixture(scope="module")
def imported(start_service: Any, shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A service with two models that look like imported ones: the classifier ``plain``, and an ``encoder``."""
    root = tmp_path_factory.mktemp("imported")
    made_here = json.loads((shipped / NAME / "1" / "manifest.json").read_text())
    origin = {
        "file": "model.onnx", "sha256": "0" * 64, "producer": "", "opset": 20, "input_type": "uint8", "layout": "nhwc",
        "mean": [], "std": [], "logits": "logits", "embedding": "embedding", "libraries": {},
    }  # fmt: skip
    unknown = {"confidence_labels": None, "calibration": None, "provenance": None, "imported": origin, "metrics": {}}
    files = {"model.onnx": made_here["files"]["model.onnx"]}
    for name, fields in (("plain", {}), ("encoder", {"classes": [], "groups": []})):
        folder = root / "store" / name / "1"
        folder.mkdir(parents=True)
        shutil.copy(shipped / NAME / "1" / "model.onnx", folder)
        manifest = made_here | unknown | fields | {"schema_version": 2, "name": name, "files": files}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with start_service(root, models_dir=root / "store") as running:
        yield running


def test_an_encoder_gives_its_embedding_alone(imported: Any) -> None:
    """An encoder can be asked for its embedding, and for nothing that needs classes."""
    metadata = imported.http.get("/v2/models/encoder").json()
    assert [output["name"] for output in metadata["outputs"]] == ["embedding"]
    answer = imported.http.post("/v2/models/encoder/infer", json=asked(GOOD)).json()
    assert [(output["name"], output["shape"]) for output in answer["outputs"]] == [("embedding", [1, 128])]
    refused = imported.http.post("/v2/models/encoder/infer", json=asked(GOOD, outputs=[{"name": "logits"}]))
    assert says(refused, 400, "the model gives embedding")


def test_probabilities_that_nobody_checked_come_with_a_warning(imported: Any, service: Any) -> None:
    """A classifier without calibration says so among the parameters of its answer; a calibrated one has none."""
    answer = imported.http.post("/v2/models/plain/infer", json=asked(GOOD)).json()
    assert "plain@1 is not calibrated" in answer["parameters"]["warning"]
    assert "parameters" not in send(service, asked(GOOD)).json()
