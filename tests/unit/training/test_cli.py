"""The training commands' options."""

from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

import training.data.source as sources
from lookalike.cli import app
from training.cli import DataSetName, Loss
from training.losses import LossName


def test_the_command_offers_every_loss() -> None:
    """The names of ``--loss``, kept apart so that ``--help`` need not import torch, are those of the losses."""
    assert [each.value for each in Loss] == list(get_args(LossName))


def test_the_command_offers_every_data_set() -> None:
    """The names of ``--data-set`` are those of the sources, but for the label file, which has an option of its own."""
    assert {each.value for each in DataSetName} == set(get_args(sources.DataSetName)) - {"labels"}


@pytest.mark.parametrize("option", ["--labels", "--images"])
def test_labels_come_with_images(option: str, tmp_path: Path) -> None:
    """A label file without a place for its images, or the other way round, is wrong use."""
    result = CliRunner().invoke(app, ["train", "small", option, str(tmp_path)])
    assert result.exit_code == 2
    assert "go together" in result.output
