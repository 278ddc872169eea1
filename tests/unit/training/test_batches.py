"""What an epoch is made of."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.batches import Batches
from training.recipe import Recipe
from training.training_set import TrainingLabels

Make = Callable[..., TrainingLabels]


def epoch(labels: TrainingLabels, recipe: Recipe, seed: int = 0) -> list[list[int]]:
    batches = Batches(labels, recipe, torch.Generator().manual_seed(seed))
    drawn = [batch.tolist() for batch in batches]
    assert len(drawn) == len(batches)
    return drawn


def test_each_batch_has_its_share_of_trusted_samples(make_labels: Make, make_recipe: Callable[..., Recipe]) -> None:
    """With a quarter asked for, a quarter of every batch is trusted; no untrusted sample comes twice in an epoch."""
    labels = make_labels(np.zeros(105), np.arange(105) < 5)
    batches = epoch(labels, make_recipe(batch_size=16, trusted_share=0.25))
    assert len(batches) == 100 // 12
    assert all(len(batch) == 16 and labels.trusted[batch].sum() == 4 for batch in batches)
    counts = Counter(i for batch in batches for i in batch if not labels.trusted[i])
    assert len(counts) == len(batches) * 12
    assert set(counts.values()) == {1}


def test_what_one_epoch_leaves_out_another_takes(make_labels: Make, make_recipe: Callable[..., Recipe]) -> None:
    """Samples that don't fill a last batch are others in each epoch, so all are seen."""
    batches = Batches(make_labels(np.zeros(20), False), make_recipe(batch_size=16), torch.Generator().manual_seed(0))
    epochs = [{i for batch in batches for i in batch.tolist()} for _ in range(8)]
    assert all(len(seen) == 16 for seen in epochs)
    assert set().union(*epochs) == set(range(20))


@pytest.mark.parametrize(("trusted", "share"), [(False, 0.25), (True, 0.25), (np.arange(64) % 2 == 0, 0.0)])
def test_without_oversampling_an_epoch_is_every_sample_once(
    make_labels: Make, make_recipe: Callable[..., Recipe], trusted: bool, share: float
) -> None:
    """With none trusted, all trusted or no share asked for, each sample comes exactly once an epoch."""
    batches = epoch(make_labels(np.zeros(64), trusted), make_recipe(batch_size=16, trusted_share=share))
    assert [len(batch) for batch in batches] == [16] * 4
    assert sorted(i for batch in batches for i in batch) == list(range(64))


@given(
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.integers(2, 20),
    st.floats(0, 0.999),
    st.integers(0, 100),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mix_makes_an_epoch(
    make_labels: Make, make_recipe: Callable[..., Recipe], trusted: list[bool], size: int, share: float, seed: int
) -> None:
    """However few samples and however large the share, an epoch has a batch, no batch is too large, none is empty."""
    labels = make_labels(np.zeros(len(trusted)), trusted)
    batches = epoch(labels, make_recipe(batch_size=size, trusted_share=share), seed)
    assert batches
    assert all(0 < len(batch) <= size for batch in batches)
    untrusted = [i for batch in batches for i in batch if not trusted[i]]
    assert len(untrusted) == len(set(untrusted))
    if not all(trusted) and round(size * share):
        assert untrusted


def test_the_generator_decides_the_order(make_labels: Make, make_recipe: Callable[..., Recipe]) -> None:
    """The same seed gives the same epoch, another seed another."""
    labels = make_labels(np.zeros(64), np.arange(64) < 8)
    assert epoch(labels, make_recipe()) == epoch(labels, make_recipe())
    assert epoch(labels, make_recipe()) != epoch(labels, make_recipe(), seed=1)
