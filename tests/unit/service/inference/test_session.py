"""How graphs are opened: on the device asked for, or with a reason why not; and with nothing but their own folder."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from models.repository import ModelRepository
from service.inference import session as session_module
from service.inference.classifier import Classifier
from service.inference.gpu_options import GpuOptions
from service.inference.session import DeviceError, device_of, open_session, work_on_cpu

GPU_BUILD = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def graph(shipped: Path) -> Path:
    return ModelRepository(shipped).resolve().path / "model.onnx"


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime seems built for GPUs; asked for one, it silently takes the CPU, as such a build does without one."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)


def add(place: Path, weights: str, domain: str = "") -> Path:
    """A graph that adds weights which lie in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=weights)
    node = helper.make_node("Add", ["x", "w"], ["y"], domain=domain)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("somebodys.own", 1)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y], [tensor]), opset_imports=opsets, ir_version=8)
    place.mkdir()
    (place / "beside").write_bytes(np.ones(4, dtype=np.float32).tobytes())
    (place.parent / "secret").write_bytes(np.ones(4, dtype=np.float32).tobytes())
    (place / "link").symlink_to(place.parent / "secret")
    onnx.save(model, place / "model.onnx")
    return place / "model.onnx"


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
@pytest.mark.usefixtures("gpu_build")
def test_a_gpu_that_is_not_there_is_refused(graph: Path, device: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Where ONNX Runtime silently takes the CPU, opening fails by the setting's name; standard output stays empty."""
    with pytest.warns(UserWarning, match="not in available"), pytest.raises(DeviceError) as refused:
        open_session(graph, device, GpuOptions())
    assert str(refused.value).startswith(f"LOOKALIKE_DEVICE={device}, but")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("gpu_build")
def test_auto_takes_the_cpu_and_says_so(shipped: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With ``auto`` and a build for GPUs, but none there, a model runs on the CPU, says so, and the log says why."""
    with pytest.warns(UserWarning, match="not in available"), caplog.at_level(logging.WARNING):
        classifier = Classifier(ModelRepository(shipped).resolve(), device="auto")
    assert classifier.device == "cpu"
    assert classifier.infer(np.zeros((3, 28, 28, 1), dtype=np.uint8))[0].shape == (3, 10)
    assert "the CPU is used instead of a GPU: LOOKALIKE_DEVICE=cuda, but" in caplog.text


def test_auto_without_a_gpu_build_is_quiet(graph: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who installed ONNX Runtime for the CPU is not warned that it runs there."""
    assert device_of(open_session(graph, "auto", GpuOptions())) == "cpu"
    assert caplog.text == ""


@pytest.mark.usefixtures("gpu_build")
def test_what_a_provider_fails_of_is_said_in_one_line(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in the midst of a provider's start becomes a line with the setting and the provider's reason."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("/onnxruntime_src/x.cc:729 void f()\nPlease install TensorRT libraries.\n")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(DeviceError) as refused:
        open_session(graph, "tensorrt", GpuOptions())
    assert str(refused.value) == "LOOKALIKE_DEVICE=tensorrt: Please install TensorRT libraries."


def test_both_builds_of_onnx_runtime_are_refused(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds that overwrote each other's files are refused, with the cure, even where the CPU was asked for."""
    names = ["numpy", "onnxruntime", "onnxruntime-gpu"]
    monkeypatch.setattr(session_module, "distributions", lambda: [SimpleNamespace(name=name) for name in names])
    with pytest.raises(DeviceError, match="uninstall both"):
        open_session(graph, "cpu", GpuOptions())


def asked(monkeypatch: pytest.MonkeyPatch, graph: Path, device: Any, gpu: GpuOptions) -> dict[str, dict[str, str]]:
    """The providers, with their options, that ONNX Runtime is asked for."""
    asked: list[Any] = []

    def note(*arguments: Any, **keywords: Any) -> None:
        asked.extend(arguments[2])
        assert keywords == {"enable_fallback": 0}
        raise RuntimeError("no more is asked")

    with monkeypatch.context() as patched:
        patched.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)
        patched.setattr(onnxruntime, "InferenceSession", note)
        with pytest.raises(DeviceError, match="no more"):
            open_session(graph, device, gpu)
    assert asked[-1] == "CPUExecutionProvider"  # for the little that no GPU does, such as shapes
    return dict(asked[:-1])


def test_settings_reach_the_cuda_provider(monkeypatch: pytest.MonkeyPatch, graph: Path) -> None:
    """What an operator sets of cuDNN, TF32 and CUDA graphs is asked of the provider; by default all are off."""
    chosen = GpuOptions(tf32=True, cudnn_search="exhaustive", cuda_graphs=True)
    options = asked(monkeypatch, graph, "cuda", chosen)["CUDAExecutionProvider"]
    names = ("cudnn_conv_algo_search", "use_tf32", "enable_cuda_graph")
    assert [options[name] for name in names] == ["EXHAUSTIVE", "1", "1"]
    options = asked(monkeypatch, graph, "cuda", GpuOptions())["CUDAExecutionProvider"]
    assert [options[name] for name in names] == ["HEURISTIC", "0", "0"]


def test_tensorrt_engines_are_kept_by_the_content_of_the_graph(
    monkeypatch: pytest.MonkeyPatch, graph: Path, tmp_path: Path
) -> None:
    """Two graphs of one structure, whose weights differ, don't share an engine; CUDA is there for what it can't run."""
    retrained = tmp_path / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    retrained.write_bytes(content)
    gpu = GpuOptions(tensorrt_cache=tmp_path / "cache")
    folders = []
    for each in (graph, retrained, graph):
        providers = asked(monkeypatch, each, "tensorrt", gpu)
        assert list(providers) == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
        assert providers["TensorrtExecutionProvider"]["trt_engine_cache_enable"] == "1"
        folders.append(Path(providers["TensorrtExecutionProvider"]["trt_engine_cache_path"]))
    assert folders[0] == folders[2] != folders[1]
    assert all(folder.is_dir() and folder.is_relative_to(tmp_path / "cache") for folder in folders)
    without = asked(monkeypatch, graph, "tensorrt", GpuOptions())
    assert without["TensorrtExecutionProvider"] == {}


def test_threads_are_set_and_not_guessed(graph: Path) -> None:
    """ONNX Runtime starts no threads of its own, whatever the number of cores of the host."""
    options = open_session(graph, "cpu", GpuOptions()).get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_work_that_the_cpu_was_given_is_known(graph: Path) -> None:
    """Which of a graph's operators with work for a GPU run on the CPU can be told; here, all of them do."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    found = work_on_cpu(onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"]))
    assert {"Conv", "Gemm"} <= found
    assert "Shape" not in found


def test_weights_beside_the_graph_are_read(tmp_path: Path) -> None:
    """Weights in the graph's own folder are part of the model."""
    session = open_session(add(tmp_path / "model", "beside"), "cpu", GpuOptions())
    np.testing.assert_array_equal(session.run(None, {"x": np.zeros(4, dtype=np.float32)})[0], np.ones(4))


@pytest.mark.parametrize("place", ["../secret", "{}/secret", "link", "./../model/../secret"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    """No graph reads a file outside its folder: not by a path upwards, an absolute one, or a link."""
    with pytest.raises(Exception, match=r"escapes model directory|Absolute path not allowed"):
        open_session(add(tmp_path / "model", place.format(tmp_path)), "cpu", GpuOptions())


def test_custom_operators_are_refused(tmp_path: Path) -> None:
    """A graph that needs operators from somebody's library can't be opened."""
    with pytest.raises(Exception, match=r"somebodys\.own:Add"):
        open_session(add(tmp_path / "model", "beside", "somebodys.own"), "cpu", GpuOptions())
