"""Models come and go while others answer: whole, verified, and without a request that fails for it."""

import asyncio
import gc
import json
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.repository import ModelError, ModelNotFoundError, ModelRepository
from service.inference.loaded_models import LoadedModels, VersionState
from service.inference.watcher import Watcher
from service.settings import Settings

NAME = "fashion-mnist"


@pytest.fixture
def store(shipped: Path, tmp_path: Path) -> Path:
    """A copy of the shipped repository."""
    return Path(shutil.copytree(shipped, tmp_path / "store"))


@pytest.fixture
def models(store: Path) -> Iterator[LoadedModels]:
    loaded = LoadedModels(ModelRepository(store), Settings(inference_threads=1, device="cpu"))
    yield loaded
    loaded.close()


def publish(store: Path, version: str, *, name: str = NAME) -> Path:
    """Put the shipped model there under another version or name, the way publishing does: all at once."""
    staging = Path(shutil.copytree(store / NAME / "1", store / ".staging"))
    manifest = json.loads((staging / "manifest.json").read_text())
    (staging / "manifest.json").write_text(json.dumps(manifest | {"name": name, "version": version}))
    (store / name).mkdir(exist_ok=True)
    return staging.rename(store / name / version)


def versions(models: LoadedModels) -> dict[str, list[str]]:
    return {name: [each.version for each in manifests] for name, manifests in models.manifests().items()}


def image(models: LoadedModels) -> np.ndarray:
    spec = models.get().classifier.manifest.input
    return np.zeros((1, spec.height, spec.width, spec.channels), dtype=np.uint8)


def test_a_new_version_becomes_the_latest(models: LoadedModels, store: Path) -> None:
    """A version that was published meanwhile answers from the next look on; the old one can still be named."""
    publish(store, "2")
    assert versions(models) == {NAME: ["1"]}
    models.refresh()
    assert versions(models) == {NAME: ["1", "2"]}
    assert models.get().classifier.manifest.version == "2"
    assert models.get(NAME, "1").classifier.manifest.version == "1"


def test_versions_stay_in_order(models: LoadedModels, store: Path) -> None:
    """The latest version is the highest number, whatever came when."""
    for version in ("10", "9"):
        publish(store, version)
        models.refresh()
    assert versions(models) == {NAME: ["1", "9", "10"]}


def test_a_removed_version_is_let_go(models: LoadedModels, store: Path) -> None:
    """A version that is gone from the repository is no longer found, and its memory is given back."""
    publish(store, "2")
    models.refresh()
    gone = weakref.ref(models.get(NAME, "2").classifier)
    asyncio.run(models.score(models.get(NAME, "2"), image(models)))
    shutil.rmtree(store / NAME / "2")
    models.refresh()
    with pytest.raises(ModelNotFoundError, match="no version '2'"):
        models.get(NAME, "2")
    gc.collect()
    assert gone() is None


def test_who_holds_a_model_that_is_let_go_can_use_it_to_the_end(models: LoadedModels, store: Path) -> None:
    """A request that found its model before it was removed is answered by it."""
    publish(store, "2")
    models.refresh()
    held = models.get(NAME, "2")
    shutil.rmtree(store / NAME / "2")
    models.refresh()
    assert len(asyncio.run(models.score(held, image(models)))) == 1


def test_a_broken_version_leaves_the_others_in_service(models: LoadedModels, store: Path) -> None:
    """What can't be loaded is named with its reason, what is served stays, and once it is mended it is served."""
    graph = publish(store, "2") / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1])
    models.refresh()
    assert models.get().classifier.manifest.version == "1"
    ready, broken = models.states()
    assert ready == VersionState(NAME, "1", "READY")
    assert (broken.version, broken.state) == ("2", "UNAVAILABLE")
    assert "model.onnx does not have the sha256" in broken.reason
    graph.write_bytes(whole)
    models.refresh()
    assert models.get().classifier.manifest.version == "2"


def test_a_broken_version_is_not_read_again_until_it_changes(
    models: LoadedModels, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that can't be loaded doesn't cost a checksum of all its files at every look."""
    (publish(store, "2") / "manifest.json").write_text("{")
    read, reads = ModelRepository.read, []
    monkeypatch.setattr(ModelRepository, "read", lambda *which: reads.append(which[1:]) or read(*which))
    for _ in range(3):
        models.refresh()
    assert reads == [(NAME, "2")]


@pytest.mark.parametrize("which", ["2", "2/manifest.json"], ids=["folder", "manifest"])
def test_a_version_that_cannot_be_looked_at_leaves_the_others(models: LoadedModels, store: Path, which: str) -> None:
    """A version that the system refuses to look at is broken, with the reason, and later versions are still served."""
    publish(store, "2")
    publish(store, "3")
    refused, aside = store / NAME / which, store / ".aside"
    refused.rename(aside)
    refused.symlink_to("x" * 300)  # no name may be so long: like a folder of somebody else's, it can't be followed
    (store / "somebodys").symlink_to("x" * 300)
    models.refresh()
    assert versions(models) == {NAME: ["1", "3"]}
    states = {state.version: state for state in models.states()}
    assert states["2"].state == "UNAVAILABLE"
    assert "File name too long" in states["2"].reason
    with pytest.raises(ModelError, match="fashion-mnist@2"):
        models.load(NAME)
    refused.unlink()
    aside.rename(refused)
    models.refresh()
    assert versions(models) == {NAME: ["1", "2", "3"]}


@pytest.mark.parametrize("lost", ["removed", "empty"])
def test_a_repository_that_vanished_changes_nothing(models: LoadedModels, store: Path, lost: str) -> None:
    """A folder that lost its mount is no reason to stop answering."""
    shutil.rmtree(store)
    if lost == "empty":
        store.mkdir()
    models.refresh()
    assert versions(models) == {NAME: ["1"]}


def test_a_version_that_is_being_removed_is_gone_with_its_manifest(models: LoadedModels, store: Path) -> None:
    """Half of a removed folder is no version."""
    publish(store, "2")
    models.refresh()
    (store / NAME / "2" / "manifest.json").unlink()
    models.refresh()
    assert versions(models) == {NAME: ["1"]}


def test_a_model_is_unloaded_and_loaded_by_name(models: LoadedModels, store: Path) -> None:
    """An unloaded model isn't found until it is loaded again, whatever looks happen in between."""
    publish(store, "1", name="other")
    models.load("other")
    models.unload("other")
    models.refresh()
    assert versions(models) == {NAME: ["1"]}
    assert VersionState("other", "1", "UNAVAILABLE", "unloaded") in models.states()
    models.load("other")
    assert versions(models) == {NAME: ["1"], "other": ["1"]}


def test_nobody_comes_between_the_steps_of_loading(models: LoadedModels, store: Path) -> None:
    """Whoever waits to unload a model that is being loaded finds it served: no load succeeds that served nothing."""
    publish(store, "1", name="other")
    models.refresh()
    models.unload("other")
    seen = []

    class Watched:
        def __init__(self) -> None:
            self._lock = threading.Lock()

        def __enter__(self) -> None:
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            seen.append("other" in versions(models))
            self._lock.release()

    models._changing = Watched()  # type: ignore[assignment]
    models.load("other")
    models.unload("other")
    assert seen == [True, False]


def test_loading_says_what_is_wrong(models: LoadedModels, store: Path) -> None:
    """Asked to load what is not there, or is broken, the service names it."""
    with pytest.raises(ModelNotFoundError, match="no model 'nope' in the repository"):
        models.load("nope")
    with pytest.raises(ModelNotFoundError, match="no model 'nope'"):
        models.unload("nope")
    (publish(store, "2") / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="fashion-mnist@2"):
        models.load(NAME)
    assert versions(models) == {NAME: ["1"]}


def test_the_watcher_finds_what_is_new(models: LoadedModels, store: Path, eventually: object) -> None:
    """New versions are served without anybody asking; a look that fails is followed by the next."""
    looks, refresh = [], models.refresh

    def failing_first() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise OSError("the disk is away")
        refresh()

    models.refresh = failing_first  # type: ignore[method-assign]
    publish(store, "2")
    watcher = Watcher(models, 0.01)
    assert callable(eventually)
    eventually(lambda: models.get().classifier.manifest.version == "2", "the new version is served")
    watcher.close()
