"""A network that learns noisy labels as they are, to see the noise."""

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from training.data.pictures import Pictures, subset
from training.feeds import make_feed
from training.loop import train
from training.losses.cross_entropy import CrossEntropy
from training.networks import make_network
from training.normalisation import Normalisation
from training.recipe import Recipe
from training.training_set import TrainingLabels

SHARE_OF_EPOCHS = 0.3
"""Of a recipe's epochs: enough to learn which labels a class has, too few to learn single samples by heart."""
_BATCH = 500


def see_noise(
    pictures: Pictures,
    labels: TrainingLabels,
    recipe: Recipe,
    *,
    channels: int,
    classes: int,
    normalisation: Normalisation,
    fabric: Fabric,
    seed: int,
) -> NDArray[np.float64]:
    """Train on the untrusted samples by cross-entropy; returns what that sees in the trusted ones, ``[n, K]``.

    ``pictures`` uint8 ``[N, H, W, C]`` are in the order of ``labels``.
    """
    untrusted, trusted = np.flatnonzero(~labels.trusted), np.flatnonzero(labels.trusted)
    short = recipe.model_copy(
        update={"epochs": max(1, round(SHARE_OF_EPOCHS * recipe.epochs)), "trusted_share": 0.0, "early_stop": None}
    )
    torch.manual_seed(seed)
    network = make_network(recipe.network, channels=channels, classes=classes)
    for _ in train(
        network,
        CrossEntropy(),
        make_feed(subset(pictures, untrusted), recipe.crop_area, fabric.device),
        labels.take(untrusted),
        short,
        normalisation=normalisation,
        generator=torch.Generator().manual_seed(seed),
        fabric=fabric,
    ):
        pass
    network.eval()
    seen = []
    with torch.inference_mode():
        for rows in np.array_split(trusted, max(1, len(trusted) // _BATCH)):
            images = torch.from_numpy(pictures[rows]).to(fabric.device).permute(0, 3, 1, 2)
            seen.append(network(normalisation(images))[0].double().softmax(dim=1).cpu().numpy())
    probabilities: NDArray[np.float64] = np.concatenate(seen)
    return probabilities
