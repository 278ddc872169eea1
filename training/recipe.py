"""Recipes: how to train, as small files that a person can read and copy."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import LookalikeError
from training.losses import LossName
from training.networks import NetworkSpec
from training.policies import PolicyName
from training.schedules import OneCycle, ScheduleSpec

RECIPES = Path(__file__).parent / "recipes"


class RecipeError(LookalikeError):
    """The recipe can't be used; the message names the field."""


Share = Annotated[float, Field(gt=0, le=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class EarlyStop(BaseModel):
    """When to end before the last epoch; the weights are then those of the best one.

    The loss is measured on a slice of the training samples that is left out of training: of the trusted ones where
    there are some, else of all, whose labels may be wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(gt=0, lt=1)
    """Of the samples, the slice."""
    patience: int = Field(gt=0)
    """Epochs without a lower loss after which it ends."""


class Recipe(BaseModel):
    """Contents of a recipe file; ``training/recipes/small.toml`` is an annotated example."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: NetworkSpec
    loss: LossName = "lp"
    """``glc`` learns from confidence labels estimated from the trusted samples, and falls back to ``lp`` without."""
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=1)
    trusted_share: float = Field(ge=0, lt=1)
    """Share of every batch drawn from the trusted set; 0 mixes the trusted samples among the others."""
    learning_rate: float = Field(gt=0)
    """The largest, where the schedule changes it."""
    schedule: ScheduleSpec = OneCycle()
    momentum: tuple[Momentum, Momentum]
    """At the peak of the one-cycle schedule, and at its ends; other schedules take the second all the time."""
    weight_decay: float = Field(ge=0)
    accumulate: int = Field(default=1, gt=0)
    """Parts of a batch that go through the network one after the other, where a whole one doesn't fit."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of the exponential moving average of the weights, which are then those of the run."""
    early_stop: EarlyStop | None = None
    max_shift: int = Field(ge=0)
    """Pixels by which augmentation shifts an image."""
    mirror: bool
    """Whether augmentation turns half of the images left to right."""
    crop_area: tuple[Share, Share] | None = None
    """Least and largest share of an image that augmentation cuts out and enlarges; ImageNet's usual is 0.08 to 1."""
    policy: PolicyName | None = None
    """Augmentation by a policy, before all other."""
    mixup: float | None = Field(default=None, gt=0)
    """Alpha of mixup; 0.2 is usual."""
    own_untrusted: Share
    """A class's own share of its confidence label, for untrusted samples; the rest goes to its group."""
    own_trusted: Share
    """The same for trusted samples."""


def load_recipe(name_or_path: str) -> Recipe:
    """Load a recipe by its name in ``training/recipes`` or by the path of a ``.toml`` file."""
    path = Path(name_or_path) if name_or_path.endswith(".toml") else RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        known = sorted(recipe.stem for recipe in RECIPES.glob("*.toml"))
        raise RecipeError(f"no recipe {name_or_path!r}; there are {known}, or give the path of a .toml file")
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
