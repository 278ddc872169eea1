"""Runs from buffers that stay, here of a session on the CPU: they give what plain runs give, whoever calls when."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.images import decode_image
from models.preprocessing import to_input
from models.repository import ModelRepository
from service.inference.bound_runs import BoundRunError, BoundRuns
from service.inference.gpu_options import GpuOptions
from service.inference.session import open_session

OUTPUTS = ["logits", "embedding"]
LARGEST = 6
PATIENCE = 60


@pytest.fixture(scope="module")
def session(shipped: Path) -> onnxruntime.InferenceSession:
    return open_session(ModelRepository(shipped).resolve().path / "model.onnx", "cpu", GpuOptions())


@pytest.fixture(scope="module")
def pictures(shipped: Path, kit: Any) -> NDArray[np.uint8]:
    """Twenty real images."""
    spec = ModelRepository(shipped).resolve().manifest.input
    return np.stack([to_input(decode_image(kit.image(i).read_bytes()), spec) for i in range(20)])


def bound(session: onnxruntime.InferenceSession, **options: Any) -> BoundRuns:
    return BoundRuns(session, OUTPUTS, (28, 28, 1), GpuOptions(max_batch=LARGEST, **options), device="cpu")


@pytest.fixture(scope="module", params=[False, True], ids=["two lanes", "cuda graphs"])
def runs(session: onnxruntime.InferenceSession, request: pytest.FixtureRequest) -> BoundRuns:
    return bound(session, cuda_graphs=request.param)


@pytest.mark.parametrize("images", range(2 * LARGEST + 3))
def test_any_number_of_images_gives_what_a_plain_run_gives(
    runs: BoundRuns, session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8], images: int
) -> None:
    """No image, less than a bucket, exactly one, more than the largest: always the outputs of each image, in order."""
    given = pictures[:images]
    for want, got in zip(session.run(OUTPUTS, {"images": given}), runs(given), strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=1e-4)


def test_outputs_stay_as_they_were(runs: BoundRuns, pictures: NDArray[np.uint8]) -> None:
    """What one call returned is not overwritten by the next, though the buffers are."""
    first = runs(pictures[:3])
    kept = [values.copy() for values in first]
    for start in range(3, 15, 3):
        runs(pictures[start : start + 3])
    for values, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_threads_get_their_own_answers(
    runs: BoundRuns, session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8]
) -> None:
    """Eight threads that call at once, with batches of all sizes, each get the outputs of their own images."""
    expected, _ = session.run(OUTPUTS, {"images": pictures})
    starts = [(start, size) for size in range(1, LARGEST + 2) for start in range(len(pictures) - size)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda part: runs(pictures[part[0] : sum(part)])[0], starts)
        for (start, size), logits in zip(starts, answers, strict=True):
            np.testing.assert_allclose(logits, expected[start : start + size], atol=1e-4)


def test_two_calls_run_at_once(
    session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one call computes, another one with as many images does not wait for it."""
    runs, met = bound(session), threading.Barrier(2)
    run = onnxruntime.InferenceSession.run_with_iobinding

    def meet(*arguments: Any) -> None:
        met.wait(PATIENCE)  # raises unless the other one comes, too
        run(*arguments)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", meet)
    with ThreadPoolExecutor(2) as pool:
        for outputs in pool.map(runs, [pictures[:2], pictures[2:4]]):
            assert len(outputs[0]) == 2


def test_cuda_graphs_are_captured_and_replayed_by_one_thread(
    session: onnxruntime.InferenceSession, pictures: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From warming on, all runs of CUDA graphs are made by the same thread, each bucket under a number of its own."""
    seen: set[tuple[str, str]] = set()
    threads: set[int] = set()
    run = onnxruntime.InferenceSession.run_with_iobinding

    def note(self: Any, binding: Any, options: Any) -> None:
        threads.add(threading.get_ident())
        seen.add((str(binding.get_outputs()[0].shape()), options.get_run_config_entry("gpu_graph_id")))
        run(self, binding, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run_with_iobinding", note)
    runs = bound(session, cuda_graphs=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(runs, [pictures[:size] for size in range(1, 10)]))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    assert len(seen) == 4  # the buckets 1, 2, 4 and 6
    assert len({number for _, number in seen}) == 4


def test_buffers_that_do_not_reach_the_graph_are_noticed(
    session: onnxruntime.InferenceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where images would not arrive in the graph, nothing is served with the answers of other images."""
    monkeypatch.setattr(onnxruntime.OrtValue, "update_inplace", lambda *_: None)
    with pytest.raises(BoundRunError, match="logits of 6 images"):
        bound(session)
