"""The Open Inference Protocol as Triton's own client speaks it, over a real socket."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from models.images import decode_image
from models.preprocessing import to_input

NAME = "fashion-mnist"
OUTPUTS = {"logits": 10, "probabilities": 10, "group_probabilities": 10, "embedding": 128}


def client_of(service: Any) -> triton.InferenceServerClient:
    address = service.http.base_url
    return triton.InferenceServerClient(f"{address.host}:{address.port}", concurrency=4)


@pytest.fixture(scope="module")
def client(service: Any) -> Iterator[triton.InferenceServerClient]:
    with client_of(service) as connected:
        yield connected


@pytest.fixture(scope="module")
def files(kit: Any) -> list[bytes]:
    return [kit.image(number).read_bytes() for number in range(40)]


@pytest.fixture(scope="module")
def pixels(files: list[bytes], service: Any) -> np.ndarray:
    spec = service.services.models.get().classifier.manifest.input
    return np.stack([to_input(decode_image(data), spec) for data in files])


def images(pixels: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    return triton.InferInput("images", list(pixels.shape), "UINT8").set_data_from_numpy(pixels, binary_data=binary)


def image(files: list[bytes]) -> triton.InferInput:
    given = triton.InferInput("image", [len(files)], "BYTES")
    return given.set_data_from_numpy(np.array(files, dtype=np.object_))


def numbers(result: triton.InferResult) -> dict[str, np.ndarray]:
    return {name: result.as_numpy(name) for name in OUTPUTS}


def test_the_server_says_what_it_is_and_that_it_is_well(client: triton.InferenceServerClient) -> None:
    """A client finds the server live and ready, and learns its name and extensions."""
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata["name"] == "lookalike"
    assert metadata["extensions"] == ["binary_tensor_data", "classification", "model_repository"]


@pytest.mark.parametrize("version", ["", "1"])
def test_a_model_says_what_it_takes_and_gives(client: triton.InferenceServerClient, version: str) -> None:
    """With and without a version the client learns that a model is ready, and its inputs and outputs."""
    assert client.is_model_ready(NAME, version)
    metadata = client.get_model_metadata(NAME, version)
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == (NAME, ["1"], "onnx_onnxv1")
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28, 1]},
        {"name": "image", "datatype": "BYTES", "shape": [-1]},
    ]
    assert metadata["outputs"] == [
        {"name": name, "datatype": "FP32", "shape": [-1, size]} for name, size in OUTPUTS.items()
    ]


@pytest.mark.parametrize("version", ["", "1"])
def test_its_numbers_are_onnx_runtimes(
    client: triton.InferenceServerClient, pixels: np.ndarray, shipped: Path, version: str
) -> None:
    """Logits and embeddings are those that ONNX Runtime computes from the same file, for one image and for many."""
    session = onnxruntime.InferenceSession(shipped / NAME / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    for batch in (pixels[:1], pixels):
        found = client.infer(NAME, [images(batch)], version, request_id="r1")
        logits, embedding = session.run(["logits", "embedding"], {"images": batch})
        np.testing.assert_allclose(found.as_numpy("logits"), logits, atol=1e-4)
        np.testing.assert_allclose(found.as_numpy("embedding"), embedding, atol=1e-4)
        said = found.get_response()
        assert (said["id"], said["model_name"], said["model_version"]) == ("r1", NAME, "1")


def test_its_numbers_are_those_of_classify(
    service: Any, client: triton.InferenceServerClient, files: list[bytes]
) -> None:
    """Classes, probabilities and groups of encoded files are what the other interface answers about them."""
    found = client.infer(NAME, [image(files)])
    classes = service.services.models.get().classifier.manifest.classes
    told = service.classify_many(*files, top_k=10).json()["predictions"]
    for p, masses, answer in zip(
        found.as_numpy("probabilities"), found.as_numpy("group_probabilities"), told, strict=True
    ):
        assert classes[p.argmax()] == answer["class"]
        assert dict(zip(classes, p, strict=True)) == pytest.approx(answer["probabilities"], abs=2e-6)
        assert masses[p.argmax()] == pytest.approx(answer["group"]["probability"], abs=2e-6)


@pytest.mark.parametrize("sent_binary", [True, False])
@pytest.mark.parametrize("wanted_binary", [True, False])
def test_tensors_may_be_binary_or_json(
    client: triton.InferenceServerClient, pixels: np.ndarray, *, sent_binary: bool, wanted_binary: bool
) -> None:
    """Both ways, in each form, give the same numbers to the last bit."""
    wanted = [triton.InferRequestedOutput(name, binary_data=wanted_binary) for name in OUTPUTS]
    found = numbers(client.infer(NAME, [images(pixels[:3], binary=sent_binary)], outputs=wanted))
    expected = numbers(client.infer(NAME, [images(pixels[:3])]))
    for name, size in OUTPUTS.items():
        assert found[name].shape == (3, size)
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], expected[name])


def test_files_are_scaled_as_pixels_were(
    client: triton.InferenceServerClient, files: list[bytes], pixels: np.ndarray
) -> None:
    """Encoded files, raw or as base64 in JSON, give what their pixels give."""
    expected = numbers(client.infer(NAME, [images(pixels)]))
    encoded = np.array([base64.b64encode(data) for data in files], dtype=np.object_)
    as_json = triton.InferInput("image", [len(files)], "BYTES").set_data_from_numpy(encoded, binary_data=False)
    for given in (image(files), as_json):
        for name, found in numbers(client.infer(NAME, [given])).items():
            np.testing.assert_allclose(found, expected[name], atol=1e-5)


def test_outputs_come_as_asked_for(client: triton.InferenceServerClient, pixels: np.ndarray) -> None:
    """A client that names outputs gets those, in its order, each in its own form, and no others."""
    wanted = [
        triton.InferRequestedOutput("embedding", binary_data=True),
        triton.InferRequestedOutput("probabilities", binary_data=False),
    ]
    said = client.infer(NAME, [images(pixels[:2])], outputs=wanted).get_response()["outputs"]
    assert [output["name"] for output in said] == ["embedding", "probabilities"]
    assert said[0]["parameters"] == {"binary_data_size": 2 * 128 * 4}
    assert len(said[1]["data"]) == 20


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("count", "listed"), [(1, 1), (3, 3), (1000, 10)])
def test_the_best_classes_come_in_words(
    client: triton.InferenceServerClient, pixels: np.ndarray, count: int, listed: int, *, binary: bool
) -> None:
    """The ``classification`` extension gives value, index and name of the best classes, the best first."""
    wanted = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=count)]
    words = client.infer(NAME, [images(pixels[:5])], outputs=wanted).as_numpy("probabilities")
    p = client.infer(NAME, [images(pixels[:5])]).as_numpy("probabilities")
    classes = {"0": "T-shirt/top", "6": "Shirt"}
    assert words.shape == (5, listed)
    for row, expected in zip(words, p, strict=True):
        parts = [(each.decode() if isinstance(each, bytes) else each).split(":", 2) for each in row]
        assert [int(index) for _, index, _ in parts] == np.argsort(-expected, kind="stable")[:listed].tolist()
        assert [float(value) for value, _, _ in parts] == pytest.approx(sorted(expected)[::-1][:listed], abs=1e-6)
        assert all(classes.get(index, label) == label for _, index, label in parts)


def test_many_requests_at_a_time_are_answered_each_by_its_own(
    client: triton.InferenceServerClient, pixels: np.ndarray
) -> None:
    """Requests that run at a time, batched together on the way, each get the answer to their own image."""
    together = client.infer(NAME, [images(pixels)]).as_numpy("logits")
    waiting = [client.async_infer(NAME, [images(pixels[i : i + 1])], request_id=str(i)) for i in range(len(pixels))]
    for i, each in enumerate(waiting):
        result = each.get_result()
        assert result.get_response()["id"] == str(i)
        np.testing.assert_allclose(result.as_numpy("logits")[0], together[i], atol=1e-4)


def test_parameters_that_mean_nothing_here_are_accepted(
    client: triton.InferenceServerClient, pixels: np.ndarray
) -> None:
    """A client that sends priority, timeout and parameters of its own is answered all the same."""
    found = client.infer(NAME, [images(pixels[:1])], priority=1, timeout=10**6, parameters={"mine": "x", "n": 1.5})
    assert found.as_numpy("logits").shape == (1, 10)


def test_errors_reach_the_client_with_their_words(
    client: triton.InferenceServerClient, files: list[bytes], pixels: np.ndarray
) -> None:
    """What the client gets wrong is an exception of its library, with the status and the reason."""

    def refused(status: str, words: str, *arguments: Any, **options: Any) -> None:
        with pytest.raises(InferenceServerException, match=words) as error:
            client.infer(*arguments, **options)
        assert error.value.status() == status

    refused("404", "no model 'nope'", "nope", [images(pixels)])
    refused("404", "no version '99'", NAME, [images(pixels)], "99")
    refused("400", r"UINT8 \[N, 28, 28, 1\]", NAME, [images(pixels[:, :27])])
    refused(
        "400",
        r"outputs\.0\.name: Input should be 'logits'",
        NAME,
        [images(pixels)],
        outputs=[triton.InferRequestedOutput("nope")],
    )
    refused("400", "element 1: .* not an image", NAME, [image([files[0], b"text", files[1]])])
    refused("400", "Content-Encoding 'gzip'", NAME, [images(pixels)], request_compression_algorithm="gzip")
    shared = triton.InferInput("images", [1, 28, 28, 1], "UINT8")
    shared.set_shared_memory("region", 784)
    refused("400", "shared memory", NAME, [shared])
    assert not client.is_model_ready("nope")
    with pytest.raises(InferenceServerException, match="no model 'nope'"):
        client.get_model_metadata("nope")


def test_an_answer_that_may_be_compressed_is_still_understood(
    client: triton.InferenceServerClient, pixels: np.ndarray
) -> None:
    """A client that offers to take a compressed answer gets a plain one and reads it."""
    found = client.infer(NAME, [images(pixels[:1])], response_compression_algorithm="gzip")
    assert found.as_numpy("logits").shape == (1, 10)


@pytest.fixture
def own(start_service: Any, shipped: Path, tmp_path: Path) -> Iterator[tuple[Any, triton.InferenceServerClient, Path]]:
    """A service over a repository of one's own, its client, and the repository."""
    store = Path(shutil.copytree(shipped, tmp_path / "store"))
    with (
        start_service(tmp_path / "data", models_dir=store, models_poll_seconds=0) as service,
        client_of(service) as client,
    ):
        yield service, client, store


def test_models_are_unloaded_and_loaded(
    own: tuple[Any, triton.InferenceServerClient, Path], pixels: np.ndarray
) -> None:
    """An unloaded model is listed as such and answers no more, until it is loaded again."""
    _, client, _ = own
    ready = [{"name": NAME, "version": "1", "state": "READY", "reason": ""}]
    assert client.get_model_repository_index() == ready
    client.unload_model(NAME)
    assert client.get_model_repository_index() == [
        {"name": NAME, "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
    ]
    assert not client.is_model_ready(NAME)
    with pytest.raises(InferenceServerException, match="no model 'fashion-mnist'"):
        client.infer(NAME, [images(pixels)])
    client.load_model(NAME)
    assert client.get_model_repository_index() == ready
    assert client.infer(NAME, [images(pixels)]).as_numpy("logits").shape == (len(pixels), 10)


def test_a_broken_version_is_refused_by_load_and_listed_with_its_reason(
    own: tuple[Any, triton.InferenceServerClient, Path],
) -> None:
    """Loading a model of which a version is broken fails with the reason, and what was served stays."""
    service, client, store = own
    (store / NAME / "2").mkdir()
    (store / NAME / "2" / "manifest.json").write_text("{")
    with pytest.raises(InferenceServerException, match=r"fashion-mnist@2: .*manifest\.json"):
        client.load_model(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready(NAME, "2")
    listed = client.get_model_repository_index()
    assert [(each["version"], each["state"]) for each in listed] == [("1", "READY"), ("2", "UNAVAILABLE")]
    assert "manifest.json" in listed[1]["reason"]
    answer = service.http.post("/v2/repository/index", json={"ready": True})
    assert [each["version"] for each in answer.json()] == ["1"]


def test_a_client_can_not_choose_what_is_loaded(own: tuple[Any, triton.InferenceServerClient, Path]) -> None:
    """Configurations and files that come with a request to load are refused, and so are names that are none."""
    _, client, _ = own
    for options in ({"config": "{}"}, {"files": {"file:1/model.onnx": b"graph"}, "config": "{}"}):
        with pytest.raises(InferenceServerException, match="as it was published"):
            client.load_model(NAME, **options)
    for name in ("nope", "..", "../fashion-mnist"):
        with pytest.raises(InferenceServerException):
            client.load_model(name)
        with pytest.raises(InferenceServerException):
            client.unload_model(name)
    assert client.is_model_ready(NAME)
