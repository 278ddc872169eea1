"""The command ``evaluate``: a run or a published model, by the same figures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.data.pictures import Pictures


def evaluate(
    what: Annotated[str, typer.Argument(metavar="RUN|NAME[@VERSION]", help="A run folder or a published model.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data set; default: where it is installed.")] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Measure accuracy and calibration on the test split."""
    from models.metrics import evaluate as measure
    from training.data import load_fashion_mnist

    data_set = load_fashion_mnist(data)
    probabilities = (_run if Path(what).is_dir() else _published)(what, models, data_set.test_images)
    figures = measure(probabilities, data_set.test_labels, data_set.groups)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            typer.echo(f"{name:15} {value:.4f}")


def _run(path: str, _: Path | None, images: "Pictures") -> "NDArray[np.float64]":
    """A run has no calibration yet: its softmax as it is."""
    import numpy as np
    import torch

    from models.distribution import softmax
    from training.run import Run

    run = Run(Path(path))
    config, network = run.config, run.load()
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = [network(config.normalisation(batch))[0].numpy() for batch in torch.split(inputs, 1000)]
    return softmax(np.concatenate(logits))


def _published(reference: str, models: Path | None, images: "Pictures") -> "NDArray[np.float64]":
    import numpy as np

    from models.distribution import class_probabilities
    from models.repository import SHIPPED, ModelRepository
    from service.inference.classifier import Classifier

    classifier = Classifier(ModelRepository(models or SHIPPED).resolve(reference))
    classifier.must_classify()
    logits = np.concatenate([classifier.infer(images[start : start + 500])[0] for start in range(0, len(images), 500)])
    manifest = classifier.manifest
    return class_probabilities(logits, manifest.similarity_groups, manifest.temperature)
