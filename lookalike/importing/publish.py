"""Import a model: read, wrap, check, calibrate, publish as one version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from pydantic import ValidationError

from lookalike.importing.anatomy import ImageInput, Parts, find_input, find_parts
from lookalike.importing.calibrating import Calibrated, calibrate_imported
from lookalike.importing.card import imported_card
from lookalike.importing.checking import TOLERANCE, check_pictures, check_wrapped
from lookalike.importing.class_names import read_class_names
from lookalike.importing.errors import ModelImportError
from lookalike.importing.graph_file import read_graph
from lookalike.importing.original import Original, start_session
from lookalike.importing.preprocessing import PreprocessingOptions, input_spec, normalisation
from lookalike.importing.real_pictures import real_pictures
from lookalike.importing.wrapping import Normalisation, Output, wrap
from models.groups import SimilarityGroups, read_groups
from models.manifest import CARD, EMBEDDING_STATISTICS, GRAPH, MANIFEST, Imported, Manifest
from models.preprocessing import InputSpec
from models.repository import ModelArtifact, ModelRepository, sha256_of, verify
from service.inference.classifier import Classifier

_LARGEST_EMBEDDING = 65_536


@dataclass(frozen=True)
class ImportOptions:
    """What the person says of the model; None: not given."""

    classes: Path | None = None
    """File of class names; without one the model is an encoder."""
    embedding: str | None = None
    """Tensor of the original graph."""
    groups: Path | None = None
    calibrate: Path | None = None
    """Label file with clean labels."""
    images: Path | None = None
    """Folder or archive: those of ``calibrate``, and real pictures to compare the graphs on."""
    preprocessing: PreprocessingOptions = field(default_factory=PreprocessingOptions)


@dataclass(frozen=True)
class ImportedModel:
    """What was published."""

    artifact: ModelArtifact
    warnings: list[str]


@dataclass(frozen=True)
class _Plan:
    """How the original becomes the served graph."""

    images: ImageInput
    spec: InputSpec
    normalisation: Normalisation
    parts: Parts
    outputs: Mapping[str, Output]


def import_onnx(path: Path, repository: ModelRepository, name: str, options: ImportOptions) -> ImportedModel:
    """Publish an ONNX classifier or encoder as the next version of ``name``.

    Raises a ``LookalikeError`` that says what to change where it can't be: then nothing is published.
    """
    _check_options(options)
    classes = read_class_names(options.classes) if options.classes is not None else ()
    groups = read_groups(options.groups, classes) if options.groups is not None else None
    model, opset = read_graph(path)
    images = find_input(model.graph, options.preprocessing.layout)
    spec = input_spec(options.preprocessing, images)
    normalise = normalisation(options.preprocessing, images, spec.channels)
    parts = find_parts(model.graph, classifies=bool(classes), embedding=options.embedding)
    pictures = check_pictures(spec, real_pictures(options.images, options.calibrate, spec))
    original = Original(model, images, normalise, _tensors(parts))
    outputs = _measure(original, parts, pictures[:2], classes, named=options.embedding is not None)
    plan = _Plan(images, spec, normalise, parts, outputs)
    with repository.publishing(name) as (version, folder):
        onnx.save(_wrapped(model, plan), folder / GRAPH)
        _check(folder / GRAPH, original, pictures, plan)
        manifest = Manifest(
            name=name,
            version=version,
            classes=classes,
            input=spec,
            embedding_size=outputs["embedding"].size,
            groups=(groups or SimilarityGroups.singletons(classes)).members(),
            confidence_labels=None,
            calibration=None,
            imported=_origin(path, model, opset, plan),
            metrics={},
            files={GRAPH: sha256_of(folder / GRAPH)},
        )
        calibrated = None
        if options.calibrate is not None and options.images is not None:
            classifier = Classifier(ModelArtifact(folder, manifest), device="cpu")
            calibrated = calibrate_imported(classifier, options.calibrate, options.images, groups)
            manifest = _with(manifest, calibrated, folder)
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")
        (folder / CARD).write_text(imported_card(manifest))
        verify(ModelArtifact(folder, manifest))
    artifact = repository.resolve(f"{name}@{version}")
    return ImportedModel(artifact, calibrated.warnings if calibrated else [])


def _check_options(options: ImportOptions) -> None:
    if options.classes is None and (options.calibrate is not None or options.groups is not None):
        raise ModelImportError("--calibrate and --groups are for classifiers: name the classes by --classes")
    if options.calibrate is not None and options.images is None:
        raise ModelImportError("--calibrate needs the images that its label file names: --images DIR")


def _tensors(parts: Parts) -> list[str]:
    return [each for each in (parts.logits, parts.embedding) if each is not None]


def _measure(
    original: Original, parts: Parts, pictures: NDArray[np.uint8], classes: tuple[str, ...], *, named: bool
) -> dict[str, Output]:
    """Run the original to see what its tensors hold."""
    outputs = {}
    if parts.logits is not None:
        outputs["logits"] = _output(original, "logits", parts.logits, pictures)
        size = outputs["logits"].size
        if size != len(classes):
            raise ModelImportError(f"the model tells {size} classes apart, but {len(classes)} are named by --classes")
        (found,) = original.run(pictures, [parts.logits])
        if (found >= 0).all() and np.allclose(found.reshape(len(found), -1).sum(axis=1), 1, atol=1e-3):
            raise ModelImportError(
                f"the output {parts.logits!r} holds probabilities, which calibration can't start from: export the "
                "model so that it gives logits"
            )
    try:
        outputs["embedding"] = _output(original, "embedding", parts.embedding, pictures)
    except ModelImportError:
        if named or "logits" not in outputs:
            raise
        outputs["embedding"] = outputs["logits"]  # better than none: what came before them is no row of numbers
    if outputs["embedding"].size > _LARGEST_EMBEDDING:
        raise ModelImportError(
            f"the embedding has {outputs['embedding'].size:,} numbers: name a smaller tensor by --embedding"
        )
    return outputs


def _output(original: Original, name: str, tensor: str, pictures: NDArray[np.uint8]) -> Output:
    (found,) = original.run(pictures, [tensor])
    if not np.isfinite(found).all():
        raise ModelImportError(f"{name}: the model gives numbers that are not finite; is its normalisation right?")
    if found.ndim not in (2, 4):
        raise ModelImportError(
            f"{name}: the tensor {tensor!r} has the shape {found.shape} for {len(pictures)} images, and [N, D] or "
            "[N, D, h, w] is needed: name another by --embedding, or export the model with its pooling"
        )
    return Output(tensor, found.ndim, found.shape[1])


def _wrapped(model: onnx.ModelProto, plan: _Plan) -> onnx.ModelProto:
    wrapped = wrap(model, plan.images, plan.spec, plan.normalisation, plan.outputs)
    try:
        onnx.checker.check_model(wrapped)
    except Exception as error:
        raise ModelImportError(f"the model can't be wrapped: {str(error)[:300]}") from error
    return wrapped


def _check(graph: Path, original: Original, pictures: NDArray[np.uint8], plan: _Plan) -> None:
    parts = plan.parts
    try:
        check_wrapped(
            start_session(str(graph), "the wrapped model"),
            original,
            pictures,
            plan.outputs,
            tolerance=TOLERANCE[plan.images.type],
            probabilities=parts.output if parts.logits not in (None, parts.output) else None,
        )
    except ModelImportError as error:
        if plan.images.batch is None:
            raise
        raise ModelImportError(
            f"the graph was exported for {plan.images.batch} images at a time, and can't be made to take any number: "
            "export it with a dynamic number of images"
        ) from error


def _with(manifest: Manifest, calibrated: Calibrated, folder: Path) -> Manifest:
    calibrated.statistics.save(folder / EMBEDDING_STATISTICS)
    try:
        return Manifest.model_validate(
            manifest.model_dump()
            | {
                "groups": calibrated.groups.members(),
                "calibration": calibrated.calibration,
                "metrics": calibrated.metrics,
                "files": {file: sha256_of(folder / file) for file in (GRAPH, EMBEDDING_STATISTICS)},
            }
        )
    except ValidationError as error:
        raise ModelImportError(f"calibration does not fit the model: {error.errors()[0]['msg']}") from error


def _origin(path: Path, model: onnx.ModelProto, opset: int, plan: _Plan) -> Imported:
    return Imported(
        file=_printable(path.name),
        sha256=sha256_of(path),
        producer=_printable(f"{model.producer_name} {model.producer_version}".strip()),
        opset=opset,
        input_type=plan.images.type,
        layout=plan.normalisation.layout,
        mean=plan.normalisation.mean,
        std=plan.normalisation.std,
        logits=None if plan.parts.logits is None else _printable(plan.outputs["logits"].tensor),
        embedding=_printable(plan.outputs["embedding"].tensor),
        libraries={"onnx": installed("onnx"), "onnxruntime": onnxruntime.__version__, "numpy": np.__version__},
    )


def _printable(text: str) -> str:
    """What came from outside may be long, and hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])
