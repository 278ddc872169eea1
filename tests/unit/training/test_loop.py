"""The loop learns, repeats itself exactly, and stops when the loss is no number."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.confidence_labels import from_groups
from models.groups import SimilarityGroups
from training.loop import DivergedError, normalise, train
from training.losses import make_loss
from training.networks import NetworkSpec, ResNet
from training.recipe import Recipe
from training.training_set import TrainingLabels

GROUPS = SimilarityGroups.from_lists("abc", ["ab"])


def separable(n: int = 96) -> tuple[Tensor, Tensor]:
    """Noise with a bright patch whose place is the class."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(n) % 3
    images = 0.3 * torch.randn(n, 1, 8, 8, generator=generator)
    for i, label in enumerate(truth.tolist()):
        images[i, :, 2 * label : 2 * label + 3, 2:6] += 2
    return images, truth


def trained(
    recipe: Recipe, labels: TrainingLabels, *, loss: Any = "lp", seed: int = 0
) -> tuple[ResNet, list[dict[str, float]]]:
    torch.manual_seed(seed)
    network = ResNet(recipe.network, channels=1, classes=3)
    epochs = list(
        train(
            network,
            make_loss(loss, from_groups(GROUPS)),
            separable(len(labels.given))[0],
            labels,
            recipe,
            generator=torch.Generator().manual_seed(seed),
            device=torch.device("cpu"),
        )
    )
    return network, epochs


@pytest.mark.parametrize("loss", ["lp", "ce"])
def test_a_separable_problem_is_learnt(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels], loss: str
) -> None:
    """From right labels, a third of them trusted, the network learns to tell three easy classes apart."""
    images, truth = separable()
    labels = make_labels(truth, np.arange(96) < 33)
    network, epochs = trained(make_recipe(epochs=12, max_shift=1), labels, loss=loss)
    assert [each["epoch"] for each in epochs] == list(range(1, 13))
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 2
    with torch.inference_mode():
        assert (network.eval()(images)[0].argmax(1) == truth).float().mean().item() > 0.95


def test_look_alikes_are_told_apart_by_the_trusted(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels]
) -> None:
    """With every untrusted label of a pair flipped, the trusted few still teach the network which is which."""
    images, truth = separable(240)
    trusted = np.arange(240) < 30
    flipped = np.where(trusted, truth, np.array([1, 0, 2])[truth])
    network, _ = trained(make_recipe(epochs=12), make_labels(flipped, trusted))
    with torch.inference_mode():
        assert (network.eval()(images)[0].argmax(1) == truth).float().mean().item() > 0.9


def test_the_same_seed_gives_the_same_weights(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels]
) -> None:
    """A run repeated with its seed ends with the same weights bit for bit, with another seed elsewhere."""
    labels = make_labels(separable()[1], np.arange(96) < 33)
    recipe = make_recipe(max_shift=1, mirror=True)
    first, again, other = (trained(recipe, labels, seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_evaluating_between_epochs_does_not_change_the_training(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels]
) -> None:
    """Whoever switches the network to evaluation between two epochs gets the same weights as who does not."""
    weights = []
    for evaluates in (False, True):
        torch.manual_seed(0)
        network = ResNet(make_recipe().network, channels=1, classes=3)
        images, truth = separable()
        epochs = train(
            network,
            make_loss("lp", from_groups(GROUPS)),
            images,
            make_labels(truth, False),
            make_recipe(),
            generator=torch.Generator().manual_seed(0),
            device=torch.device("cpu"),
        )
        for _ in epochs:
            network.train(not evaluates)
        weights.append(network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("n", "epochs"), [(3, 1), (3, 2), (3, 5), (16, 5), (40, 3)])
def test_very_short_runs_work(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels], n: int, epochs: int
) -> None:
    """A handful of samples, or of steps, is trained on like any other number."""
    _, metrics = trained(make_recipe(epochs=epochs), make_labels(separable(n)[1], False))
    assert len(metrics) == epochs
    assert all(np.isfinite(each["loss"]) for each in metrics)


def test_a_diverged_loss_stops_the_run(
    make_recipe: Callable[..., Recipe], make_labels: Callable[..., TrainingLabels]
) -> None:
    """When the loss is no longer a number the run stops at once and says what to try."""

    class Broken(nn.Module):
        def forward(self, logits: Tensor, *_: Tensor) -> Tensor:
            return logits.sum() * float("nan")

    labels = make_labels(separable()[1], False)
    epochs: Iterator[Any] = train(
        ResNet(NetworkSpec(widths=(4,)), channels=1, classes=3),
        Broken(),
        separable()[0],
        labels,
        make_recipe(),
        generator=torch.Generator(),
        device=torch.device("cpu"),
    )
    with pytest.raises(DivergedError, match="the loss became nan in epoch 1; try a lower learning_rate"):
        next(epochs)


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    """Images normalised by their own mean and deviation have mean 0 and deviation 1, channels first."""
    pixels = torch.randint(0, 256, (20, 5, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = pixels.float().mean().item(), pixels.float().std(correction=0).item()
    out = normalise(pixels, mean, std)
    assert (out.shape, out.dtype) == ((20, 3, 5, 7), torch.float32)
    assert out.mean().item() == pytest.approx(0, abs=1e-5)
    assert out.std(correction=0).item() == pytest.approx(1, abs=1e-5)
