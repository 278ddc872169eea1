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
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data set; default: that of the run, or where it is installed.")
    ] = None,
    models: Annotated[Path | None, typer.Option(envvar="LOOKALIKE_MODELS_DIR", help="Model repository.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Measure accuracy and calibration: a run on the test split of its data, a model on that of Fashion-MNIST.

    Where a run's data have no test split, on the samples that were held out of training.
    """
    from models.errors import LookalikeError
    from models.metrics import evaluate as measure
    from training.data import load_fashion_mnist
    from training.data.pictures import subset
    from training.run import Run

    is_run = Path(what).is_dir()
    data_set = Run(Path(what)).load_data(data) if is_run else load_fashion_mnist(data)
    images, truth = data_set.test_images, data_set.test_labels
    if not len(truth):
        held_out = data_set.split.validation
        images, truth = subset(data_set.images, held_out), data_set.labels[held_out]
    if not len(truth):
        raise LookalikeError(f"{what}: no samples were held out, so there is nothing to measure on")
    probabilities = (_run if is_run else _published)(what, models, images)
    figures = measure(probabilities, truth, data_set.groups)
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
    parts = (images[start : start + 500] for start in range(0, len(images), 500))
    with torch.inference_mode():
        logits = [network(config.normalisation(torch.from_numpy(part).permute(0, 3, 1, 2)))[0] for part in parts]
    return softmax(np.concatenate([each.numpy() for each in logits]))


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
