"""The models of a repository, loaded, each behind its queue; new versions come and old ones go while others answer."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import LookalikeError
from models.manifest import MANIFEST, Manifest
from models.repository import (
    ModelArtifact,
    ModelError,
    ModelNotFoundError,
    ModelRepository,
    only_classifier,
    pick_version,
)
from models.scores import Scores
from service.inference.admission import Admission, Hold
from service.inference.batcher import Batcher
from service.inference.classifier import Classifier
from service.inference.heap import give_back_memory
from service.inference.model_queue import ModelQueue
from service.settings import Settings
from service.telemetry.model_metrics import ModelMetrics

_log = logging.getLogger("lookalike.models")


class NoModelsError(LookalikeError):
    """There is nothing to serve."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A classifier, its queue, and the bound on its work.

    Whoever holds one can use it to the end, also when it has been unloaded in the meantime: its memory is given back
    when the last request lets go of it.
    """

    classifier: Classifier
    queue: ModelQueue
    admission: Admission
    metrics: ModelMetrics


@dataclass(frozen=True)
class VersionState:
    """Whether a version in the repository is served, and if not, why."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = ""


@dataclass(frozen=True)
class _Broken:
    """A version that can't be loaded, and what its folder looked like then: it is tried again when that changes."""

    reason: str
    folder: object


class LoadedModels:
    """Every version in the repository; loading them verifies their checksums."""

    def __init__(self, repository: ModelRepository, settings: Settings) -> None:
        """Load all; raises ``ModelError``, ``DeviceError`` or ``NoModelsError``."""
        self._repository, self._settings = repository, settings
        self._hold = Hold(seconds=settings.hold_seconds, most=settings.max_held)
        self._served: dict[str, dict[str, LoadedModel]] = {}
        """By name and version, oldest first; replaced, never changed, so that any thread may read it."""
        self._broken: dict[tuple[str, str], _Broken] = {}
        self._unloaded: set[str] = set()
        self._changing = threading.Lock()
        # All are loaded before the first thread starts: threads would keep a process from ending that can't start.
        for artifact in repository.all():
            versions = self._served.setdefault(artifact.manifest.name, {})
            versions[artifact.manifest.version] = self._load(artifact)
        if not self._served:
            raise NoModelsError(f"no models in {repository.root}; set LOOKALIKE_MODELS_DIR, or export or import one")
        some = next(iter(next(iter(self._served.values())).values()))
        self.device = some.classifier.device
        """What the models run on: ``cpu``, ``cuda`` or ``tensorrt``."""
        # One thread feeds a GPU; on a CPU each core runs batches of its own.
        self._batcher = Batcher(settings.cpu_threads if self.device == "cpu" else 1)

    def get(self, name: str | None = None, version: str | None = None) -> LoadedModel:
        """A model by name and version: by default the only classifier, else the only model; its latest version.

        Raises ``ModelNotFoundError``.
        """
        served = self._served
        if name is None:
            name = only_classifier({each: _latest(versions) for each, versions in served.items()})
        name, version = pick_version({each: list(versions) for each, versions in served.items()}, name, version)
        return served[name][version]

    def manifests(self) -> dict[str, list[Manifest]]:
        """The manifests of each model's versions, oldest first."""
        return {
            name: [loaded.classifier.manifest for loaded in versions.values()]
            for name, versions in self._served.items()
        }

    def all(self) -> list[LoadedModel]:
        """Every version that is served."""
        return list(_versions(self._served).values())

    async def score(self, loaded: LoadedModel, images: NDArray[np.uint8]) -> Scores:
        """Run ``[N, H, W, C]`` through a model when its turn has come; raises as ``Batcher.score`` does."""
        return await self._batcher.score(loaded.queue, images)

    def refresh(self) -> None:
        """Load the versions that appeared in the repository, and let go of those that are gone. May take a while.

        What can't be loaded is told by the log and by ``states``; what is served stays. An empty repository changes
        nothing: a folder that lost its mount is no reason to stop answering.
        """
        with self._changing:
            self._look()

    def load(self, name: str) -> None:
        """Serve a model, the versions of now; raises ``ModelError`` where one can't be, ``ModelNotFoundError``."""
        with self._changing:
            if not self._versions(name):
                raise ModelNotFoundError(f"no model {name!r} in the repository; it has {self._repository.names()}")
            self._unloaded.discard(name)
            self._broken = {key: broken for key, broken in self._broken.items() if key[0] != name}
            self._look()
            for (broken, version), why in self._broken.items():
                if broken == name:
                    raise ModelError(f"{name}@{version}: {why.reason}")

    def unload(self, name: str) -> None:
        """Stop serving a model until ``load``; raises ``ModelNotFoundError`` where it isn't served."""
        with self._changing:
            self.get(name)
            self._unloaded.add(name)
            self._look()

    def states(self) -> list[VersionState]:
        """Every version in the repository, with what became of it."""
        served = _versions(self._served)
        return [
            VersionState(name, version, "READY")
            if (name, version) in served
            else VersionState(name, version, "UNAVAILABLE", self._why_not(name, version))
            for name in self._repository.names()
            for version in self._versions(name)
        ]

    def close(self) -> None:
        """Finish what waits."""
        self._batcher.close()

    def _load(self, artifact: ModelArtifact) -> LoadedModel:
        settings = self._settings
        classifier = Classifier(artifact, device=settings.device, gpu=settings.gpu)
        metrics = ModelMetrics(artifact.manifest)
        budget = settings.batch_milliseconds / 1000
        queue = ModelQueue(classifier, max_batch=settings.max_batch, budget=budget, observe=metrics.ran)
        queue.learn(_seconds_of_one(classifier))
        return LoadedModel(classifier, queue, Admission(settings.max_queue, self._hold), metrics)

    def _look(self) -> None:
        """Bring what is served up to what the repository has; the caller holds ``_changing``."""
        present = [(name, version) for name in self._repository.names() for version in self._versions(name)]
        if not present:
            return
        served: dict[str, dict[str, LoadedModel]] = {}
        for name, version in present:
            if name not in self._unloaded and (loaded := self._kept_or_loaded(name, version)):
                served.setdefault(name, {})[version] = loaded
        gone = _versions(self._served).keys() - _versions(served).keys()
        self._served = served
        self._broken = {key: broken for key, broken in self._broken.items() if key in present}
        for which in gone:
            _log.info("%s@%s is no longer served", *which)
        if gone:
            give_back_memory()

    def _versions(self, name: str) -> list[str]:
        """Versions whose folder is there with a manifest, oldest first: it comes first when a folder is removed.

        Of a model whose folder can't be looked at, those that are served.
        """
        root = self._repository.root / name
        try:
            return [version for version in self._repository.versions(name) if _may_be_file(root / version / MANIFEST)]
        except OSError as error:
            _log.warning("%s can't be looked at: %s", name, error)
            return list(self._served.get(name, {}))

    def _kept_or_loaded(self, name: str, version: str) -> LoadedModel | None:
        if version in self._served.get(name, {}):
            return self._served[name][version]
        key, folder = (name, version), self._folder(name, version)
        if key in self._broken and self._broken[key].folder == folder:
            return None
        try:
            loaded = self._load(self._repository.read(name, version))
        except (LookalikeError, OSError) as error:
            _log.warning("%s@%s is not served: %s", name, version, error)
            self._broken[key] = _Broken(str(error), folder)
            return None
        _log.info("%s@%s is served", name, version)
        return loaded

    def _folder(self, name: str, version: str) -> object:
        """What changes when somebody mends a version."""
        try:
            files = sorted((self._repository.root / name / version).iterdir())
            return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        except OSError as error:
            return str(error)

    def _why_not(self, name: str, version: str) -> str:
        if name in self._unloaded:
            return "unloaded"
        broken = self._broken.get((name, version))
        return "not loaded yet" if broken is None else broken.reason


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # reading it says why
        return True


def _seconds_of_one(classifier: Classifier) -> float:
    """How long an image takes, alone, in a model that has run before."""
    spec = classifier.manifest.input
    image = np.zeros((1, spec.height, spec.width, spec.channels), dtype=np.uint8)
    started = time.perf_counter()
    classifier.score(image)
    return time.perf_counter() - started


def _latest(versions: Mapping[str, LoadedModel]) -> Manifest:
    return list(versions.values())[-1].classifier.manifest


def _versions(served: Mapping[str, Mapping[str, LoadedModel]]) -> dict[tuple[str, str], LoadedModel]:
    return {(name, version): loaded for name, versions in served.items() for version, loaded in versions.items()}
