"""The training commands' options."""

from typing import get_args

from training.cli import Loss
from training.losses import LossName


def test_the_command_offers_every_loss() -> None:
    """The names of ``--loss``, kept apart so that ``--help`` need not import torch, are those of the losses."""
    assert [each.value for each in Loss] == list(get_args(LossName))
