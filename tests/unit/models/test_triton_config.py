"""``config.pbtxt``: parsed by Triton's own message, it describes the graph that lies beside it."""

import runpy
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from google.protobuf import text_format

from models.manifest import GRAPH, MANIFEST, Manifest
from models.repository import SHIPPED, ModelError, ModelRepository
from models.triton_config import TRITON_CONFIG, triton_config

_TYPES = {"tensor(uint8)": "TYPE_UINT8", "tensor(float)": "TYPE_FP32"}


@pytest.fixture(scope="session")
def parse() -> Callable[[str], Any]:
    """Parse by ``ModelConfig`` of Triton's client; its package would ask for gRPC, which the message needs not."""
    client = find_spec("tritonclient")
    assert client is not None
    assert client.submodule_search_locations is not None
    generated = runpy.run_path(f"{client.submodule_search_locations[0]}/grpc/model_config_pb2.py")
    return lambda text: text_format.Parse(text, generated["ModelConfig"]())


def tensors(config: Any, side: str) -> list[tuple[str, str, list[int]]]:
    kinds = type(config).DESCRIPTOR.file.enum_types_by_name["DataType"].values_by_number
    return [(each.name, kinds[each.data_type].name, list(each.dims)) for each in getattr(config, side)]


def test_the_shipped_config_describes_the_shipped_graph(parse: Callable[[str], Any]) -> None:
    """Name, types and dimensions are those of the graph, the temperatures those of the manifest."""
    artifact = ModelRepository(SHIPPED).resolve()
    config = parse((artifact.path.parent / TRITON_CONFIG).read_text())
    assert (config.name, config.backend, config.max_batch_size) == (artifact.manifest.name, "onnxruntime", 32)
    session = onnxruntime.InferenceSession(artifact.path / GRAPH, providers=["CPUExecutionProvider"])
    for side, graph in (("input", session.get_inputs()), ("output", session.get_outputs())):
        assert tensors(config, side) == [(each.name, _TYPES[each.type], each.shape[1:]) for each in graph]
    temperature = artifact.manifest.temperature
    said = {key: value.string_value for key, value in config.parameters.items()}
    assert said["lookalike_version"] == artifact.manifest.version
    assert float(said["temperature_group"]) == temperature.group
    assert float(said["temperature_within"]) == temperature.within


def test_the_shipped_config_is_what_publishing_writes() -> None:
    """Whoever publishes the shipped model again gets the same file."""
    artifact = ModelRepository(SHIPPED).resolve()
    assert (artifact.path.parent / TRITON_CONFIG).read_text() == triton_config(artifact.manifest)


def test_an_encoder_gives_its_embedding_alone(parse: Callable[[str], Any], imported_fields: dict[str, Any]) -> None:
    """Of an encoder there are no logits and no temperatures."""
    encoder = Manifest.model_validate(imported_fields | {"classes": [], "groups": []})
    config = parse(triton_config(encoder))
    assert tensors(config, "input") == [("images", "TYPE_UINT8", [8, 8, 1])]
    assert tensors(config, "output") == [("embedding", "TYPE_FP32", [2])]
    assert config.parameters.keys() == {"lookalike_version"}


@pytest.fixture
def publish(tmp_path: Path, make_manifest: Callable[..., Manifest]) -> Callable[..., Path]:
    def publish(embedding_size: int) -> Path:
        with ModelRepository(tmp_path).publishing("clothes") as (version, folder):
            manifest = make_manifest(version=version, embedding_size=embedding_size)
            (folder / MANIFEST).write_text(manifest.model_dump_json())
        return tmp_path / "clothes"

    return publish


def test_it_follows_the_latest_version(publish: Callable[..., Path], parse: Callable[[str], Any]) -> None:
    """Each publication brings the file up to date, and leaves nothing beside it."""
    for version, size in ((1, 2), (2, 7)):
        folder = publish(size)
        config = parse((folder / TRITON_CONFIG).read_text())
        assert tensors(config, "output")[-1] == ("embedding", "TYPE_FP32", [size])
        assert config.parameters["lookalike_version"].string_value == str(version)
        assert {path.name for path in folder.iterdir()} == {*map(str, range(1, version + 1)), TRITON_CONFIG}


def test_a_config_that_can_not_be_written_is_said(publish: Callable[..., Path]) -> None:
    """The version stands, and whoever published it hears that Triton does not know of it."""
    folder = publish(2)
    (folder / TRITON_CONFIG).unlink()
    (folder / TRITON_CONFIG).mkdir()
    with pytest.raises(ModelError, match=r"clothes@2 is published, but .*config\.pbtxt can't be written"):
        publish(2)
    assert {path.name for path in folder.iterdir()} == {"1", "2", TRITON_CONFIG}
