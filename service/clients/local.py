"""Classification by a model that is loaded for it."""

from collections.abc import Iterable
from pathlib import Path

from models.images import ImageError, decode_image
from models.preprocessing import to_input
from models.repository import ModelRepository
from service.clients.document import Document, Slot, failed
from service.inference.classifier import Classifier


def classify_here(
    images: Iterable[Path], repository: ModelRepository, model: str | None, *, level: float, top_k: int
) -> Document:
    """Classify image files; one that can't be read fails alone.

    ``model`` is ``NAME`` or ``NAME@VERSION``; by default the only one there is. Raises ``ModelError``.
    """
    classifier = Classifier(repository.resolve(model))
    classifier.must_classify()
    manifest = classifier.manifest
    slots: list[Slot] = []
    for path in images:
        try:
            pixels = to_input(decode_image(path.read_bytes()), manifest.input)
        except (ImageError, OSError) as error:
            slots.append(failed(error))
        else:
            slots.extend(classifier.answer(classifier.score(pixels[None]), level=level, top_k=top_k))
    document: Document = {"model": {"name": manifest.name, "version": manifest.version}, "predictions": slots}
    if classifier.warnings:
        document["warnings"] = classifier.warnings
    return document
