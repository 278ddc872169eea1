"""Which loss a run minimises, on which confidence labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.confidence_labels import ConfidenceLabelsError, from_groups
from models.groups import SimilarityGroups
from training.data import DataSet
from training.devices import make_fabric
from training.noise import Noise
from training.objective import ObjectiveError, choose_objective
from training.recipe import Recipe
from training.run import Run
from training.train_run import RunChoices, train_run
from training.training_set import Protocol, TrainingLabels

GROUPS = SimilarityGroups.from_lists("abcd", ["ab", "cd"])
Make = Callable[..., Recipe]


def drawn(columns: DataSet, trusted: int, protocol: Protocol = "verified") -> TrainingLabels:
    noise, rng = Noise("asymmetric", 0.5), np.random.default_rng(0)
    return TrainingLabels.draw(
        np.arange(len(columns.labels)), columns.labels, GROUPS, noise=noise, trusted=trusted, protocol=protocol, rng=rng
    )


def never() -> NDArray[np.float64]:
    raise AssertionError


def test_the_recipe_s_loss_is_the_default(columns: DataSet, make_recipe: Make) -> None:
    """Without a loss of one's own the recipe's is taken; with one, it is, and learns from the groups' labels."""
    labels, recipe = drawn(columns, 80), make_recipe(loss="glc")
    assert choose_objective(None, None, recipe, columns, labels, never).loss == "glc"
    chosen = choose_objective("lp", None, recipe, columns, labels, never)
    assert (chosen.loss, chosen.confidence_labels, chosen.labels_from) == ("lp", from_groups(GROUPS), "groups")
    assert choose_objective(None, None, make_recipe(), columns, labels, never).loss == "lp"


def test_labels_of_one_s_own_are_taken_as_they_are(columns: DataSet, make_recipe: Make) -> None:
    """Given confidence labels go before all estimates; of other classes they are refused."""
    own = from_groups(GROUPS, own_untrusted=0.7)
    chosen = choose_objective(None, own, make_recipe(loss="glc"), columns, drawn(columns, 80), never)
    assert (chosen.loss, chosen.confidence_labels) == ("glc", own)
    others = from_groups(SimilarityGroups.singletons("wxyz"))
    with pytest.raises(ConfidenceLabelsError, match="list the classes of columns"):
        choose_objective(None, others, make_recipe(), columns, drawn(columns, 80), never)


def test_without_trusted_samples_a_recipe_falls_back_and_a_wish_is_refused(columns: DataSet, make_recipe: Make) -> None:
    """With nothing to estimate from, ``strong`` trains by log-projection; who asks for glc is told what to give."""
    labels = drawn(columns, 0)
    assert choose_objective(None, None, make_recipe(loss="glc"), columns, labels, never).loss == "lp"
    with pytest.raises(ObjectiveError, match="class 'a' has none: trust some of each class"):
        choose_objective("glc", None, make_recipe(), columns, labels, never)


@pytest.mark.parametrize(("protocol", "source"), [("verified", "said before"), ("paper", "learnt the noise")])
def test_a_run_says_what_its_labels_are_from(
    columns: DataSet, make_recipe: Make, tmp_path: Path, protocol: Protocol, source: str
) -> None:
    """With an audit, and without one, a run estimates the flips it was given, keeps them, and says where from."""
    choices = RunChoices(
        noise=Noise("asymmetric", 0.5), trusted=80, protocol=protocol, loss=None, confidence_labels=None, seed=0
    )
    run = Run(tmp_path / "run")
    recipe = make_recipe(loss="glc", epochs=10, learning_rate=0.2)
    list(train_run(run, columns, recipe, choices, fabric=make_fabric("cpu")))
    config = run.config
    assert config.loss == "glc"
    assert source in config.labels_from
    assert "80 samples" in config.labels_from
    rate = 0.5 if protocol == "verified" else 200 / 320  # of untrusted labels
    assert np.mean(1 - config.confidence_labels.untrusted_matrix.diagonal()) == pytest.approx(rate, abs=0.12)


def test_a_resumed_run_keeps_its_estimate(
    columns: DataSet, make_recipe: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Going on with a run learns the noise no second time, and ends with the labels that it began with."""
    choices = RunChoices(
        noise=Noise("asymmetric", 0.5), trusted=80, protocol="paper", loss=None, confidence_labels=None, seed=0
    )
    run, recipe = Run(tmp_path / "run"), make_recipe(loss="glc", epochs=3)
    begun = train_run(run, columns, recipe, choices, fabric=make_fabric("cpu"))
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    before = run.config

    def again(*_: object, **__: object) -> NDArray[np.float64]:
        raise AssertionError

    monkeypatch.setattr("training.train_run.see_noise", again)
    rest = list(train_run(run, columns, recipe, choices, fabric=make_fabric("cpu"), resume=True))
    assert [epoch["epoch"] for epoch in rest] == [2, 3]
    assert run.config == before
