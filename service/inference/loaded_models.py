"""The models of a repository, loaded, each behind its batcher."""

from dataclasses import dataclass

from models.errors import LookalikeError
from models.manifest import Manifest
from models.repository import ModelRepository, only_classifier, pick_version
from service.inference.batcher import Batcher
from service.inference.classifier import Classifier
from service.settings import Settings


class NoModelsError(LookalikeError):
    """There is nothing to serve."""


@dataclass(frozen=True)
class LoadedModel:
    """A classifier and the batcher before it."""

    classifier: Classifier
    batcher: Batcher


class LoadedModels:
    """Every version in the repository; loading them verifies their checksums."""

    def __init__(self, repository: ModelRepository, settings: Settings) -> None:
        """Load all; raises ``ModelError``, ``DeviceError`` or ``NoModelsError``."""
        self._models: dict[str, dict[str, LoadedModel]] = {}
        # All are loaded before the first thread starts: threads would keep a process from ending that can't start.
        classifiers = [Classifier(artifact, device=settings.device) for artifact in repository.all()]
        for classifier in classifiers:
            # One thread feeds a GPU; on a CPU each core runs batches of its own.
            threads = 1 if classifier.device == "cuda" else settings.cpu_threads
            batcher = Batcher(classifier, threads=threads, max_batch=settings.max_batch)
            versions = self._models.setdefault(classifier.manifest.name, {})
            versions[classifier.manifest.version] = LoadedModel(classifier, batcher)
        if not self._models:
            raise NoModelsError(f"no models in {repository.root}; set LOOKALIKE_MODELS_DIR, or export or import one")

    def get(self, name: str | None = None, version: str | None = None) -> LoadedModel:
        """A model by name and version: by default the only classifier, else the only model; its latest version."""
        if name is None:
            name = only_classifier({each: manifests[-1] for each, manifests in self.manifests().items()})
        name, version = pick_version({each: list(versions) for each, versions in self._models.items()}, name, version)
        return self._models[name][version]

    def manifests(self) -> dict[str, list[Manifest]]:
        """The manifests of each model's versions, oldest first."""
        return {
            name: [loaded.classifier.manifest for loaded in versions.values()]
            for name, versions in self._models.items()
        }

    def close(self) -> None:
        """Finish what waits."""
        for versions in self._models.values():
            for loaded in versions.values():
                loaded.batcher.close()
