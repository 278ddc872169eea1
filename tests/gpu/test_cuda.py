"""Models on a real GPU, by ``make test-gpu``: they answer what the CPU does. Without a GPU these tests fail."""

import json
import logging
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.images import decode_image
from models.preprocessing import to_input
from models.repository import ModelArtifact, ModelRepository
from service.inference.classifier import Classifier
from service.inference.gpu_options import GpuOptions
from service.inference.session import DeviceError, open_session, work_on_cpu

pytestmark = pytest.mark.gpu

TOLERANCE = 1e-3
WAYS = {
    "default": GpuOptions(),
    "exhaustive search": GpuOptions(cudnn_search="exhaustive"),
    "cuda graphs": GpuOptions(cuda_graphs=True),
    "largest batch of 5": GpuOptions(max_batch=5),
}


@pytest.fixture(scope="module")
def artifact(shipped: Path) -> ModelArtifact:
    return ModelRepository(shipped).resolve()


@pytest.fixture(scope="module")
def pictures(artifact: ModelArtifact, kit: Any) -> NDArray[np.uint8]:
    """Six hundred real images."""
    return np.stack([to_input(decode_image(kit.image(i).read_bytes()), artifact.manifest.input) for i in range(600)])


@pytest.fixture(scope="module")
def expected(artifact: ModelArtifact, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits and embeddings by the CPU."""
    return Classifier(artifact, device="cpu").infer(pictures)


@pytest.fixture(scope="module", params=WAYS, ids=list(WAYS))
def classifier(artifact: ModelArtifact, request: pytest.FixtureRequest) -> Classifier:
    return Classifier(artifact, device="cuda", gpu=WAYS[request.param])


def used_megabytes() -> int:
    """Memory in use on the GPU, by whomever."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0])


def test_outputs_are_those_of_the_cpu(
    classifier: Classifier, pictures: NDArray[np.uint8], expected: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    """In whatever way it runs, the GPU's logits and embeddings of real images are the CPU's within 1e-3."""
    assert classifier.device == "cuda"
    for got, want in zip(classifier.infer(pictures), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("images", [0, *range(1, 36), 64, 65])
def test_every_number_of_images_fits_a_bucket(
    classifier: Classifier,
    pictures: NDArray[np.uint8],
    expected: tuple[NDArray[np.float32], NDArray[np.float32]],
    images: int,
) -> None:
    """However many images a batch has, each gets its own outputs, and there are no others."""
    start = 3 * images % 500
    for got, want in zip(classifier.infer(pictures[start : start + images]), expected, strict=True):
        assert len(got) == images
        np.testing.assert_allclose(got, want[start : start + images], rtol=0, atol=TOLERANCE)


def test_threads_get_their_own_outputs(
    classifier: Classifier, pictures: NDArray[np.uint8], expected: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    """Eight threads that call at once, with batches of all sizes, each get what belongs to their images."""
    parts = [(start, 1 + start % 40) for start in range(0, 560, 7)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda part: classifier.infer(pictures[part[0] : sum(part)])[0], parts)
        for (start, images), logits in zip(parts, answers, strict=True):
            np.testing.assert_allclose(logits, expected[0][start : start + images], rtol=0, atol=TOLERANCE)


def test_rounding_to_tf32_keeps_the_classes(
    artifact: ModelArtifact, pictures: NDArray[np.uint8], expected: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    """With ``LOOKALIKE_TF32`` at least 99 of 100 images keep their class."""
    logits, _ = Classifier(artifact, device="cuda", gpu=GpuOptions(tf32=True)).infer(pictures)
    assert (logits.argmax(axis=1) == expected[0].argmax(axis=1)).mean() >= 0.99


def test_nothing_is_left_to_the_cpu(artifact: ModelArtifact, caplog: pytest.LogCaptureFixture) -> None:
    """The convolutions and products all run on the GPU, from page-locked memory: nothing had to be done without."""
    with caplog.at_level(logging.WARNING):
        Classifier(artifact, device="cuda")
    assert caplog.text == ""
    assert work_on_cpu(open_session(artifact.path / "model.onnx", "cuda", GpuOptions())) == set()


def test_versions_come_and_go(
    artifact: ModelArtifact, pictures: NDArray[np.uint8], expected: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    """While one version answers without a pause others are loaded and let go, and the GPU's memory does not fill up."""
    serving = Classifier(artifact, device="cuda")
    Classifier(artifact, device="cuda")  # what the process as a whole needs is there from now on
    before = used_megabytes()

    def swap() -> None:
        for _ in range(5):
            np.testing.assert_allclose(
                Classifier(artifact, device="cuda").infer(pictures[:8])[0], expected[0][:8], rtol=0, atol=TOLERANCE
            )

    with ThreadPoolExecutor(1) as pool:
        swapping = pool.submit(swap)
        while not swapping.done():
            np.testing.assert_allclose(serving.infer(pictures[:32])[0], expected[0][:32], rtol=0, atol=TOLERANCE)
        swapping.result()
    assert used_megabytes() - before <= 64


def test_the_service_answers_as_on_the_cpu(start_service: Any, kit: Any, tmp_path: Path) -> None:
    """A request's answer does not tell on which device the service runs."""
    answers = {}
    for device in ("cuda", "cpu"):
        with start_service(tmp_path / device, device=device) as service:
            answer = service.classify_many(*(kit.image(i).read_bytes() for i in range(50)), top_k=10)
            answers[device] = answer.json()["predictions"]
    for got, want in zip(answers["cuda"], answers["cpu"], strict=True):
        assert got["class"] == want["class"]
        assert got["probabilities"] == pytest.approx(want["probabilities"], abs=TOLERANCE)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_a_new_version_takes_over_under_load(
    start_service: Any, kit: Any, shipped: Path, tmp_path: Path, eventually: Any, cuda_graphs: bool
) -> None:
    """While eight clients classify, a new version is loaded on the GPU and takes over, and no request fails for it."""
    store = Path(shutil.copytree(shipped, tmp_path / "store"))
    pictures = [kit.image(i).read_bytes() for i in range(4)]
    settings = {"device": "cuda", "cuda_graphs": cuda_graphs, "models_dir": store, "models_poll_seconds": 0.1}
    with start_service(tmp_path / "data", **settings) as service, ThreadPoolExecutor(8) as pool:
        over = threading.Event()

        def classify() -> set[tuple[int, str]]:
            seen = set()
            while not over.is_set():
                answer = service.classify_many(*pictures)
                seen.add((answer.status_code, answer.json()["model"]["version"]))
            return seen

        clients = [pool.submit(classify) for _ in range(8)]
        second = Path(shutil.copytree(store / "fashion-mnist" / "1", tmp_path / "second"))
        manifest = json.loads((second / "manifest.json").read_text())
        (second / "manifest.json").write_text(json.dumps(manifest | {"version": "2"}))
        second.rename(store / "fashion-mnist" / "2")
        try:
            eventually(lambda: service.classify(pictures[0]).json()["model"]["version"] == "2", "version 2 answers")
        finally:
            over.set()
        assert set().union(*(client.result() for client in clients)) <= {(200, "1"), (200, "2")}


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_hidden_gpu_is_refused(lookalike: Any, device: str) -> None:
    """Where the GPU that was asked for can't be seen, the server ends with code 1 and names the setting."""
    result = lookalike("serve", "--port", "0", settings={"LOOKALIKE_DEVICE": device, "CUDA_VISIBLE_DEVICES": ""})
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"lookalike: LOOKALIKE_DEVICE={device}")


def test_a_hidden_gpu_is_done_without_where_that_is_allowed(lookalike: Any, kit: Any) -> None:
    """Without a GPU to be seen commands answer from the CPU, say so on standard error, and nowhere else."""
    result = lookalike("classify", "--json", kit.image(0), settings={"CUDA_VISIBLE_DEVICES": ""})
    assert (result.returncode, result.stdout[0]) == (0, "{")
    assert "the CPU is used instead of a GPU" in result.stderr


def test_tensorrt_keeps_its_engines_or_is_refused(
    artifact: ModelArtifact, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Where TensorRT's libraries are it starts again from the engines that it built; where not, that is the reason."""
    gpu = GpuOptions(max_batch=4, tensorrt_cache=tmp_path)
    try:
        first = Classifier(artifact, device="tensorrt", gpu=gpu)
    except DeviceError as refused:
        reason = str(refused)
    else:
        engines = sorted(tmp_path.glob("*/*.engine"))
        again = Classifier(artifact, device="tensorrt", gpu=gpu)
        np.testing.assert_allclose(again.infer(pictures[:3])[0], first.infer(pictures[:3])[0], atol=TOLERANCE)
        reason = "" if engines and sorted(tmp_path.glob("*/*.engine")) == engines else "no engines were kept"
    assert reason == "" or reason.startswith("LOOKALIKE_DEVICE=tensorrt")
