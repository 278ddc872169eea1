"""The model repository: ``<root>/<name>/<version>/``, the layout of Triton. Versions never change once published."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from models.errors import LookalikeError
from models.manifest import CARD, MANIFEST, Manifest, ModelName, ModelVersion
from models.triton_config import TRITON_CONFIG, triton_config

SHIPPED = Path(__file__).parent / "store"
"""The repository that comes with the project."""

_NAME = TypeAdapter(ModelName)
_VERSION = TypeAdapter(ModelVersion)


class ModelError(LookalikeError):
    """A model can't be used; the message names it and the reason."""


class ModelNotFoundError(ModelError):
    """No such model or version in the repository."""


@dataclass(frozen=True)
class ModelArtifact:
    """One published version: its folder and its manifest."""

    path: Path
    manifest: Manifest

    def __str__(self) -> str:
        return f"{self.manifest.name}@{self.manifest.version}"


class ModelRepository:
    """Finds, verifies and publishes model versions below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Names of the models, sorted."""
        return sorted(path.name for path in _folders(self.root) if _fits(_NAME, path.name))

    def versions(self, name: str) -> list[str]:
        """Versions of a model, oldest first; empty where there is no such model."""
        if not _fits(_NAME, name):
            return []
        return sorted((path.name for path in _folders(self.root / name) if _fits(_VERSION, path.name)), key=int)

    def resolve(self, reference: str | None = None) -> ModelArtifact:
        """Find ``NAME`` (its latest version), ``NAME@VERSION``, or with None the only classifier, else the only model.

        Reads the manifest but not the graph. Raises ``ModelNotFoundError`` or, for a broken manifest, ``ModelError``.
        """
        name, version = None, None
        if reference is not None:
            name, at, rest = reference.partition("@")
            version = rest if at else None
        available = {each: self.versions(each) for each in self.names()}
        if name is None and len(available) > 1:
            latest = {each: self.read(each, versions[-1]).manifest for each, versions in available.items() if versions}
            name = only_classifier(latest)
        return self.read(*pick_version(available, name, version))

    def all(self) -> Iterator[ModelArtifact]:
        """Every version of every model."""
        for name in self.names():
            for version in self.versions(name):
                yield self.read(name, version)

    def read(self, name: str, version: str) -> ModelArtifact:
        """Read the manifest of a version that is there; raises ``ModelError`` where it is broken."""
        path = self.root / name / version
        try:
            manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        except OSError as error:
            raise ModelError(f"{name}@{version}: {MANIFEST} can't be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ModelError(f"{name}@{version}: {MANIFEST}: {where or 'document'}: {first['msg']}") from error
        if (manifest.name, manifest.version) != (name, version):
            raise ModelError(f"{name}@{version}: the manifest says it is {manifest.name}@{manifest.version}")
        return ModelArtifact(path, manifest)

    @contextmanager
    def publishing(self, name: str) -> Iterator[tuple[str, Path]]:
        """Give the next version and an empty folder to fill; on success the folder appears as that version, whole.

        On an error nothing appears. Where another writer takes the version first, ``ModelError`` is raised. Beside the
        versions stands what Triton must know of the latest.
        """
        if not _fits(_NAME, name):
            raise ModelError(f"{name!r} is no model name: use a-z, 0-9, '.', '_' and '-', at most 64 of them")
        version = str(max(map(int, self.versions(name)), default=0) + 1)
        parent = self.root / name
        try:
            parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=parent))
        except OSError as error:
            raise ModelError(f"{name}@{version} can't be published: {error}") from error
        try:
            yield version, staging
            staging.chmod(0o755)
            os.rename(staging, parent / version)  # noqa: PTH104 - unlike Path.rename's name, says what is relied on
        except OSError as error:
            raise ModelError(f"{name}@{version} was not published: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            with suppress(OSError):
                parent.rmdir()  # only if empty: a failed first version leaves no trace
        self._describe_to_triton(name, version)

    def _describe_to_triton(self, name: str, version: str) -> None:
        """Write ``config.pbtxt``, whole or not at all, unless a later version has come meanwhile."""
        if self.versions(name)[-1] != version:
            return
        path = self.root / name / TRITON_CONFIG
        aside = path.with_name(f".{path.name}-{version}")
        try:
            aside.write_text(triton_config(self.read(name, version).manifest))
            aside.replace(path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise ModelError(f"{name}@{version} is published, but {path} can't be written: {error}") from error


def only_classifier(latest: Mapping[str, Manifest]) -> str | None:
    """Name of the only model, by the manifests of their latest versions, that knows classes; None: not just one.

    Encoders beside it don't make a request without a model's name ambiguous.
    """
    classifiers = [name for name, manifest in latest.items() if not manifest.is_encoder]
    return classifiers[0] if len(classifiers) == 1 else None


def pick_version(available: Mapping[str, Sequence[str]], name: str | None, version: str | None) -> tuple[str, str]:
    """Choose among versions by name, oldest first: by default the only name and its latest version.

    Raises ``ModelNotFoundError`` saying what there is.
    """
    if name is None:
        if len(available) != 1:
            raise ModelNotFoundError(f"name a model: there are {sorted(available) or 'none'}")
        name = next(iter(available))
    if not available.get(name):
        raise ModelNotFoundError(f"no model {name!r}; there are {sorted(available) or 'none'}")
    if version is not None and version not in available[name]:
        raise ModelNotFoundError(f"model {name!r} has no version {version!r}; it has {list(available[name])}")
    return name, version or available[name][-1]


def verify(artifact: ModelArtifact) -> None:
    """Check that the folder holds exactly the files of the manifest, with their sha256; raises ``ModelError``."""
    expected = artifact.manifest.files
    present = {path.name for path in artifact.path.iterdir()} - {MANIFEST, CARD}
    if present != expected.keys():
        odd = sorted(present ^ expected.keys())
        raise ModelError(f"{artifact}: the folder and the manifest's list of files differ in {odd}")
    for name, digest in expected.items():
        if sha256_of(artifact.path / name) != digest:
            raise ModelError(f"{artifact}: {name} does not have the sha256 of the manifest; fetch the version again")


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if _may_be_folder(entry)] if path.is_dir() else []


def _may_be_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # whoever reads it hears why
        return True


def _fits(adapter: TypeAdapter[str], text: str) -> bool:
    try:
        adapter.validate_python(text)
    except ValidationError:
        return False
    return True
