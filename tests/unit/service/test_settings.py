"""Settings: what is misspelt or impossible is refused by name."""

from pathlib import Path

import pytest

from service.inference.gpu_options import GpuOptions
from service.settings import Settings, SettingsError


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets its setting; the others keep their defaults."""
    monkeypatch.setenv("LOOKALIKE_DATA_DIR", "/somewhere")
    monkeypatch.setenv("LOOKALIKE_MAX_BATCH", "8")
    settings = Settings.from_environment()
    assert (settings.data_dir, settings.max_batch) == (Path("/somewhere"), 8)
    assert settings.max_queue == Settings().max_queue


def test_an_unknown_variable_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting stops the start with its name and the names that there are."""
    monkeypatch.setenv("LOOKALIKE_MODEL_DIR", "/somewhere")
    with pytest.raises(SettingsError, match="LOOKALIKE_MODEL_DIR") as refused:
        Settings.from_environment()
    assert "LOOKALIKE_MODELS_DIR" in str(refused.value)


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only variables with the prefix count."""
    monkeypatch.setenv("LOOKALIKES_X", "1")
    Settings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BATCH", "0"),
        ("MAX_BATCH", "many"),
        ("MAX_QUEUE", "-1"),
        ("INFERENCE_THREADS", "1.5"),
        ("DEVICE", "tpu"),
        ("CUDNN_SEARCH", "default"),
        ("CUDA_GRAPHS", "some"),
        ("MAX_UPLOAD_BYTES", "2GB"),
    ],
)
def test_an_impossible_value_is_refused_by_name_and_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A value that can't be is refused in one line that names the variable and what it says."""
    monkeypatch.setenv(f"LOOKALIKE_{name}", value)
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment()
    assert f"LOOKALIKE_{name}={value}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_how_a_gpu_is_used_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set of TF32, cuDNN, CUDA graphs and the largest batch reaches the models; TensorRT's engines are data."""
    assert Settings(data_dir=Path("/somewhere")).gpu == GpuOptions(
        max_batch=32,
        tf32=False,
        cudnn_search="heuristic",
        cuda_graphs=False,
        tensorrt_cache=Path("/somewhere/tensorrt"),
    )
    for name, value in {"TF32": "true", "CUDNN_SEARCH": "exhaustive", "CUDA_GRAPHS": "true", "MAX_BATCH": "8"}.items():
        monkeypatch.setenv(f"LOOKALIKE_{name}", value)
    monkeypatch.setenv("LOOKALIKE_TENSORRT_CACHE", "/engines")
    assert Settings.from_environment().gpu == GpuOptions(
        max_batch=8, tf32=True, cudnn_search="exhaustive", cuda_graphs=True, tensorrt_cache=Path("/engines")
    )


def test_cuda_graphs_with_tensorrt_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings of which one would be without effect are refused, in a line that names both."""
    monkeypatch.setenv("LOOKALIKE_DEVICE", "tensorrt")
    monkeypatch.setenv("LOOKALIKE_CUDA_GRAPHS", "true")
    with pytest.raises(SettingsError, match="cuda_graphs=true is for device=cuda"):
        Settings.from_environment()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MAX_BUFFERED_BYTES": "1000"}, "max_image_bytes=20000000 is more than max_buffered_bytes=1000"),
        ({"MAX_IMAGES": "1000"}, "max_images=1000 is more than max_queue=256"),
        ({"KEYS_FILE": "keys.json", "ALLOW_ANONYMOUS": "true"}, "keys_file and allow_anonymous contradict each other"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    """Two values of which each could be, but not both, stop the start with both names."""
    for name, value in variables.items():
        monkeypatch.setenv(f"LOOKALIKE_{name}", value)
    with pytest.raises(SettingsError, match=said):
        Settings.from_environment()
