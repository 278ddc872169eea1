"""The document that a classification gives, whoever makes it: the answer of ``/v1/classify``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

Slot = Mapping[str, Any]
"""A ``models.answer.Prediction``, or ``{"error": {"code": .., "detail": ..}}``."""


class Document(TypedDict):
    """A slot for each image, in their order."""

    model: dict[str, str]
    """``name`` and ``version``."""
    predictions: list[Slot]
    warnings: NotRequired[list[str]]


def failed(error: Exception) -> Slot:
    """The slot of an image that could not be decoded (an ``ImageError``), or of a file that could not be read."""
    return {"error": {"code": getattr(error, "code", "unreadable_file"), "detail": str(error)}}


def has_failures(document: Document) -> bool:
    """Whether any image has no prediction."""
    return any("error" in slot for slot in document["predictions"])


def sentences(document: Document, images: list[Path]) -> Iterator[str]:
    """What the document says to a person, a line for each image."""
    for path, slot in zip(images, document["predictions"], strict=True):
        yield f"{path}: {_sentence(slot)}"


def _sentence(slot: Slot) -> str:
    if "error" in slot:
        return f"not classified: {slot['error']['detail']}"
    group = slot["group"]
    inside = ", ".join(f"{name} {share:.2f}" for name, share in group["within"].items())
    its_group = f"; its group {group['probability']:.3f} ({inside})" if len(group["classes"]) > 1 else ""
    outlier = "unlike the training images; if anything, " if slot["outlier"] else ""
    return f"{outlier}{slot['class']} {slot['probability']:.3f}{its_group}; sure of: {slot['decision']['level']}"
