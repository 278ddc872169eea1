"""The model repository: whole versions or none, found by name, checked byte by byte."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.manifest import CARD, GRAPH, MANIFEST, Manifest
from models.repository import ModelError, ModelNotFoundError, ModelRepository, pick_version, sha256_of, verify
from models.triton_config import TRITON_CONFIG

Publish = Callable[..., None]


def fill(folder: Path, make_manifest: Callable[..., Manifest], name: str, version: str) -> None:
    files = {}
    for file in ("model.onnx", "embedding.npz", "training_pixels.bin"):
        (folder / file).write_bytes(f"{file} of {name}@{version}".encode())
        files[file] = sha256_of(folder / file)
    manifest = make_manifest(name=name, version=version, files=files)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    (folder / CARD).write_text("# A card\n")


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    return ModelRepository(tmp_path / "store")


@pytest.fixture
def publish(repository: ModelRepository, make_manifest: Callable[..., Manifest]) -> Publish:
    def publish(name: str = "clothes", times: int = 1) -> None:
        for _ in range(times):
            with repository.publishing(name) as (version, folder):
                fill(folder, make_manifest, name, version)

    return publish


def test_published_versions_are_found(repository: ModelRepository, publish: Publish) -> None:
    """A published model is found by name, by name and version, and without a name while it is the only one."""
    publish(times=2)
    for reference in (None, "clothes", "clothes@2"):
        assert str(repository.resolve(reference)) == "clothes@2"
    assert str(repository.resolve("clothes@1")) == "clothes@1"
    publish("animals")
    assert [str(each) for each in repository.all()] == ["animals@1", "clothes@1", "clothes@2"]
    with pytest.raises(ModelNotFoundError, match=r"name a model: there are \['animals', 'clothes'\]"):
        repository.resolve()


def test_the_latest_version_is_the_highest_number(repository: ModelRepository, publish: Publish) -> None:
    """Version 10 comes after version 9, not after version 1."""
    publish(times=11)
    assert repository.versions("clothes") == [str(n) for n in range(1, 12)]
    assert repository.resolve("clothes").manifest.version == "11"


@pytest.mark.parametrize(
    "reference", ["", "@", "@1", "../clothes", "a/b", ".", "..", "clothes@", "clothes@0", "clothes@3", "clothes@../1"]
)
def test_what_is_not_there_is_not_found(repository: ModelRepository, publish: Publish, reference: str) -> None:
    """A name or version that does not exist is refused as not found, above all one that looks like a path."""
    publish()
    with pytest.raises(ModelNotFoundError):
        repository.resolve(reference)


def test_an_empty_or_missing_repository_says_so(repository: ModelRepository) -> None:
    """Without any model the message says that there are none."""
    assert repository.names() == []
    with pytest.raises(ModelNotFoundError, match="none"):
        repository.resolve()
    with pytest.raises(ModelNotFoundError, match="no model 'clothes'"):
        repository.resolve("clothes")


def test_stray_files_are_no_models(repository: ModelRepository, publish: Publish) -> None:
    """Files, hidden folders and Triton's config.pbtxt beside the versions are passed over."""
    publish()
    (repository.root / "README.md").write_text("hello")
    (repository.root / ".git").mkdir()
    (repository.root / "clothes" / ".publishing-abandoned").mkdir()
    (repository.root / "empty").mkdir()
    assert [str(each) for each in repository.all()] == ["clothes@1"]
    assert str(repository.resolve("clothes")) == "clothes@1"


def test_a_failed_publication_leaves_nothing(repository: ModelRepository, publish: Publish) -> None:
    """When making a version fails, nothing of it is left, and not even an empty folder for a new name."""

    def fail() -> None:
        with repository.publishing("clothes") as (_, folder):
            (folder / GRAPH).write_bytes(b"half a gra")
            raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError, match="the disk is on fire"):
        fail()
    assert list(repository.root.iterdir()) == []
    publish()
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        fail()
    assert sorted(path.name for path in (repository.root / "clothes").iterdir()) == ["1", TRITON_CONFIG]
    publish()
    assert repository.versions("clothes") == ["1", "2"]


def test_an_unfinished_version_is_not_seen(repository: ModelRepository, make_manifest: Callable[..., Manifest]) -> None:
    """A version appears whole: while it is being made, nobody can resolve it."""
    with repository.publishing("clothes") as (version, folder):
        fill(folder, make_manifest, "clothes", version)
        assert repository.versions("clothes") == []
    assert repository.versions("clothes") == ["1"]
    assert repository.resolve().path.stat().st_mode & 0o755 == 0o755


def test_of_two_publishers_one_fails_cleanly(
    repository: ModelRepository, make_manifest: Callable[..., Manifest]
) -> None:
    """Two publishers of the same version: the first one's stays as it is, the second is told and leaves nothing."""

    def race() -> None:
        with repository.publishing("clothes") as (late, slow):
            fill(slow, make_manifest, "clothes", late)
            (slow / GRAPH).write_bytes(b"the slow one's")
            with repository.publishing("clothes") as (early, fast):
                assert early == late == "1"
                fill(fast, make_manifest, "clothes", early)

    with pytest.raises(ModelError, match="clothes@1 was not published"):
        race()
    assert sorted(path.name for path in (repository.root / "clothes").iterdir()) == ["1", TRITON_CONFIG]
    verify(repository.resolve())


@pytest.mark.parametrize("name", ["", "Clothes", "../clothes", "a/b", ".hidden", "x" * 65])
def test_a_name_that_can_not_be_served_is_not_published(repository: ModelRepository, name: str) -> None:
    """A model can't be published under a name that could not be found again."""
    with pytest.raises(ModelError, match="is no model name"), repository.publishing(name):
        pass
    assert not repository.root.exists()


def test_a_repository_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    """Publishing where no folder can be made is an error for the person, with the reason."""
    (tmp_path / "file").write_text("in the way")
    repository = ModelRepository(tmp_path / "file")
    with pytest.raises(ModelError, match="clothes@1 can't be published"), repository.publishing("clothes"):
        pass


def test_an_untouched_version_is_verified(repository: ModelRepository, publish: Publish) -> None:
    """A version as published passes, and its card may be corrected."""
    publish()
    artifact = repository.resolve()
    (artifact.path / CARD).write_text("# A better card\n")
    verify(artifact)


def test_damage_is_noticed(repository: ModelRepository, publish: Publish) -> None:
    """One changed byte, one missing file and one extra file are each noticed, and the file named."""
    publish()
    artifact = repository.resolve()
    graph = artifact.path / GRAPH
    whole = graph.read_bytes()
    graph.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(ModelError, match=rf"clothes@1: {GRAPH} does not have the sha256"):
        verify(artifact)
    graph.unlink()
    with pytest.raises(ModelError, match=rf"differ in \['{GRAPH}'\]"):
        verify(artifact)
    graph.write_bytes(whole)
    (artifact.path / "model.onnx.data").write_bytes(b"")
    with pytest.raises(ModelError, match=r"differ in \['model.onnx.data'\]"):
        verify(artifact)
    (artifact.path / "model.onnx.data").unlink()
    verify(artifact)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2"}, "the manifest says it is clothes@2"),
        ({"classes": 3}, r"clothes@1: manifest\.json: classes"),
        ({"calibration": {}}, r"clothes@1: manifest\.json: calibration\.source"),
    ],
)
def test_a_broken_manifest_is_named(
    repository: ModelRepository, publish: Publish, change: dict[str, Any], message: str
) -> None:
    """A manifest that is broken, or is another version's, is an error that names the model and the field."""
    publish()
    path = repository.resolve().path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        repository.resolve("clothes")
    path.unlink()
    with pytest.raises(ModelError, match=r"manifest\.json can't be read"):
        repository.resolve("clothes")


def test_picking_names_what_there_is() -> None:
    """A wrong name or version is answered with the right ones."""
    available = {"clothes": ["1", "2"], "animals": ["1"]}
    assert pick_version(available, "clothes", None) == ("clothes", "2")
    assert pick_version({"clothes": ["1", "2"]}, None, "1") == ("clothes", "1")
    with pytest.raises(ModelNotFoundError, match=r"no model 'cars'; there are \['animals', 'clothes'\]"):
        pick_version(available, "cars", None)
    with pytest.raises(ModelNotFoundError, match=r"model 'clothes' has no version '3'; it has \['1', '2'\]"):
        pick_version(available, "clothes", "3")


def test_encoders_beside_it_leave_the_only_classifier_the_default(
    repository: ModelRepository, publish: Publish, imported_fields: dict[str, Any]
) -> None:
    """Importing an encoder does not make requests without a model's name ambiguous."""
    publish()
    encoder = imported_fields | {"classes": [], "groups": []}
    with repository.publishing("encoder") as (version, folder):
        (folder / GRAPH).write_bytes(b"graph")
        files = {GRAPH: sha256_of(folder / GRAPH)}
        manifest = Manifest.model_validate(encoder | {"name": "encoder", "version": version, "files": files})
        (folder / MANIFEST).write_text(manifest.model_dump_json())
    assert str(repository.resolve()) == "clothes@1"
    assert str(repository.resolve("encoder")) == "encoder@1"
