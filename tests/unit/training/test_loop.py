"""The loop learns, repeats itself exactly, and stops when the loss is no number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.checkpoint import load_checkpoint
from training.loop import DivergedError
from training.normalisation import Normalisation

Start = Callable[..., Any]


@pytest.mark.parametrize("loss", ["lp", "ce"])
def test_a_separable_problem_is_learnt(start: Start, loss: str) -> None:
    """From right labels, a third of them trusted, the network learns to tell three easy classes apart."""
    training = start(loss=loss, recipe={"epochs": 12, "max_shift": 1})
    epochs = training.run()
    assert [each["epoch"] for each in epochs] == list(range(1, 13))
    assert epochs[-1]["loss"] < epochs[0]["loss"] / 2
    assert training.accuracy() > 0.95


@pytest.mark.parametrize(
    "extra",
    [
        {"mixup": 0.2},
        {"crop_area": (0.5, 1.0)},
        {"policy": "trivialaugment", "epochs": 15},
        {"ema": 0.9},
        {"accumulate": 3},
        {"schedule": {"kind": "cosine", "cycles": 2}},
        {"schedule": {"kind": "plateau"}, "epochs": 20},
    ],
    ids=str,
)
def test_every_option_learns(start: Start, extra: dict[str, Any]) -> None:
    """With any of the recipe's options the network still learns three easy classes."""
    training = start(loss="ce", recipe={"epochs": 12} | extra)
    training.run()
    assert training.accuracy() > 0.9


def test_look_alikes_are_told_apart_by_the_trusted(start: Start) -> None:
    """With every untrusted label of a pair flipped, the trusted few still teach the network which is which."""
    trusted, truth = np.arange(240) < 30, np.arange(240) % 3
    training = start(
        240, trusted=trusted, given=np.where(trusted, truth, np.array([1, 0, 2])[truth]), recipe={"epochs": 12}
    )
    training.run()
    assert training.accuracy() > 0.9


@pytest.mark.parametrize("extra", [{}, {"mixup": 0.2, "crop_area": (0.5, 1.0), "policy": "randaugment", "ema": 0.9}])
def test_the_same_seed_gives_the_same_weights(start: Start, extra: dict[str, Any]) -> None:
    """A run repeated with its seed ends with the same weights bit for bit, with another seed elsewhere."""
    first, again, other = (start(recipe={"max_shift": 1, "mirror": True} | extra, seed=seed) for seed in (3, 3, 4))
    for each in (first, again, other):
        each.run()
    assert first.ends_as(again)
    assert not first.ends_as(other)


def test_evaluating_between_epochs_does_not_change_the_training(start: Start) -> None:
    """Whoever switches the network to evaluation after each epoch gets the same weights as who does not."""
    plain, watched = start(), start(evaluate=lambda network: {"mode": float(network.eval().training)})
    plain.run()
    assert [each["mode"] for each in watched.run()] == [0.0, 0.0]
    assert plain.ends_as(watched)


@pytest.mark.parametrize(("n", "epochs"), [(3, 1), (3, 2), (3, 5), (16, 5), (40, 3)])
@pytest.mark.parametrize("kind", ["one-cycle", "cosine", "plateau"])
def test_very_short_runs_work(start: Start, n: int, epochs: int, kind: str) -> None:
    """A handful of samples, or of steps, is trained on like any other number."""
    metrics = start(n, trusted=False, recipe={"epochs": epochs, "schedule": {"kind": kind}}).run()
    assert len(metrics) == epochs
    assert all(np.isfinite(each["loss"]) for each in metrics)


def test_accumulated_microbatches_make_the_step_of_a_whole_batch(start: Start) -> None:
    """A batch in four parts gives the weights of a whole one, where batches aren't normalised."""
    whole, parts = start(), start(recipe={"accumulate": 4})
    for training in (whole, parts):
        training.network = _without_normalisation()
        training.run()
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def _without_normalisation() -> nn.Module:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            embedding = x.flatten(1)
            return self.head(embedding), embedding

    torch.manual_seed(0)
    return Linear()


class BrokenFrom(nn.Module):
    """A loss that is a number for some calls, then no more."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def forward(self, logits: Tensor, *_: Tensor) -> Tensor:
        self.calls -= 1
        return logits.square().mean() * (1 if self.calls >= 0 else float("nan"))


def test_a_diverged_loss_stops_the_run(start: Start) -> None:
    """When the loss is no longer a number the run stops and says where, and what to try."""
    training = start(trusted=False, loss=BrokenFrom(2))
    with pytest.raises(DivergedError, match="the loss became nan in epoch 1, step 3 of 6; try a lower learning_rate"):
        training.run()


def test_the_checkpoint_before_a_diverged_loss_is_kept(start: Start, tmp_path: Path) -> None:
    """What is left is the checkpoint of the epoch before, all of whose weights are numbers, and the error names it."""
    training = start(trusted=False, loss=BrokenFrom(8), checkpoint=tmp_path / "checkpoint.pt")
    with pytest.raises(DivergedError, match=r"in epoch 2, step 3 of 6; .*checkpoint\.pt"):
        training.run()
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert len(state["epochs"]) == 1
    assert all(torch.isfinite(each).all() for each in state["network"].values())


def test_weights_that_are_no_numbers_are_never_saved(start: Start, tmp_path: Path) -> None:
    """Where the last step of an epoch breaks the weights, the checkpoint of the epoch before stays."""

    class BreaksGradients(nn.Module):
        def forward(self, logits: Tensor, *_: Tensor) -> Tensor:
            return logits.square().mean() + 0 * torch.sqrt(0 * logits).sum()  # a number with a gradient that is none

    training = start(6, trusted=False, loss=BreaksGradients(), checkpoint=tmp_path / "checkpoint.pt")
    with pytest.raises(DivergedError, match="the weights are no numbers after epoch 1"):
        training.run()
    assert not list(tmp_path.iterdir())


def test_early_stopping_gives_the_weights_of_the_best_epoch(start: Start) -> None:
    """Training ends after `patience` epochs without a lower loss, with the weights of the epoch with the lowest."""
    losses, weights = [3.0, 1.0, 2.0, 2.5, 0.5, 0.1], []

    def evaluate(network: nn.Module) -> dict[str, float]:
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"held_out_loss": losses[len(weights) - 1]}

    training = start(recipe={"epochs": 6, "early_stop": {"share": 0.1, "patience": 2}}, evaluate=evaluate)
    assert len(training.run()) == 4
    final = training.network.state_dict()
    assert all(torch.equal(final[name], weights[1][name]) for name in final)


def test_the_averaged_weights_are_those_of_the_run(start: Start) -> None:
    """With an average, what is evaluated and what the run ends with is the average, not the last weights."""
    seen = []
    averaged = start(recipe={"ema": 0.9}, evaluate=lambda network: seen.append(network.state_dict()) or {})
    plain = start()
    averaged.run()
    plain.run()
    final = averaged.network.state_dict()
    assert all(torch.equal(final[name], seen[-1][name]) for name in final)
    assert not averaged.ends_as(plain)


def test_normalised_images_have_mean_0_and_deviation_1() -> None:
    """Images normalised by their own mean and deviation have mean 0 and deviation 1."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 5, 7, 3), dtype=np.uint8)
    out = Normalisation.of(pixels)(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    assert (out.shape, out.dtype) == ((20, 3, 5, 7), torch.float32)
    assert out.mean().item() == pytest.approx(0, abs=1e-5)
    assert out.std(correction=0).item() == pytest.approx(1, abs=1e-5)
