"""The outputs that a request asks for: which, how many classes of them, and in which form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from models.scores import Scores
from service.http.bodies import BodyError
from service.oip.byte_strings import pack
from service.oip.messages import InferRequest, RequestedOutput
from service.oip.signature import output_names

_SCORES = {
    "logits": "logits",
    "probabilities": "probabilities",
    "group_probabilities": "group_probabilities",
    "embedding": "embeddings",
}


@dataclass(frozen=True)
class Wanted:
    """An output that was asked for."""

    name: str
    binary: bool
    """Behind the JSON, not in it."""
    best: int | None
    """So many classes of each image in words (Triton's extension ``classification``); None: all numbers."""


def wanted_outputs(asked: InferRequest, manifest: Manifest) -> list[Wanted]:
    """What a request asks for, by default all that the model gives; raises ``BodyError`` for what can't be given."""
    known = output_names(manifest)
    binary = _flag(asked.parameters.get("binary_data_output", False), "binary_data_output")
    if not asked.outputs:
        return [Wanted(name, binary, None) for name in known]
    wanted = [_wanted(each, known, binary) for each in asked.outputs]
    names = [each.name for each in wanted]
    if len(set(names)) != len(names):
        raise BodyError(f"outputs: ask for each once, not for {names}")
    return wanted


def write_outputs(
    wanted: Sequence[Wanted], scores: Scores, classes: Sequence[str]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The outputs as they stand in the JSON, and what follows it."""
    tensors: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for each in wanted:
        numbers: NDArray[np.float32] = np.ascontiguousarray(getattr(scores, _SCORES[each.name]), dtype="<f4")
        tensor = _in_words(numbers, classes, each) if each.best else _in_numbers(numbers, each)
        if isinstance(tensor["data"], bytes):
            behind.append(tensor.pop("data"))
            tensor["parameters"] = {"binary_data_size": len(behind[-1])}
        tensors.append(tensor)
    return tensors, behind


def _wanted(output: RequestedOutput, known: Sequence[str], binary: bool) -> Wanted:
    name, parameters = output.name, output.parameters
    if name not in known:
        raise BodyError(f"outputs: there is no {name}; the model gives {', '.join(known)}")
    if "shared_memory_region" in parameters:
        raise BodyError(f"{name}: shared memory is not supported")
    best = parameters.get("classification")
    if best is not None and (name == "embedding" or type(best) is not int or best < 1):
        raise BodyError(f"{name}: classification is a whole number of classes from 1, and the embedding has none")
    return Wanted(name, _flag(parameters.get("binary_data", binary), "binary_data"), best)


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise BodyError(f"parameters: {name} is true or false")
    return value


def _in_numbers(numbers: NDArray[np.float32], each: Wanted) -> dict[str, Any]:
    data = numbers.tobytes() if each.binary else numbers.ravel()
    return {"name": each.name, "datatype": "FP32", "shape": numbers.shape, "data": data}


def _in_words(numbers: NDArray[np.float32], classes: Sequence[str], each: Wanted) -> dict[str, Any]:
    """For each image its largest numbers as ``value:index:label``, the largest first."""
    ranking = np.argsort(-numbers, axis=1, kind="stable")[:, : each.best]
    ranked = np.take_along_axis(numbers, ranking, axis=1)
    words = [
        f"{value:f}:{k}:{classes[k]}"
        for k, value in zip(ranking.ravel().tolist(), ranked.ravel().tolist(), strict=True)
    ]
    data = pack(map(str.encode, words)) if each.binary else words
    return {"name": each.name, "datatype": "BYTES", "shape": ranking.shape, "data": data}
