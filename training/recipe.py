"""Recipes: how to train, as small files that a person can read and copy."""

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import LookalikeError
from training.networks import NetworkSpec

RECIPES = Path(__file__).parent / "recipes"


class RecipeError(LookalikeError):
    """The recipe can't be used; the message names the field."""


class Recipe(BaseModel):
    """Contents of a recipe file; ``training/recipes/small.toml`` is an annotated example."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: NetworkSpec
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=1)
    trusted_share: float = Field(ge=0, lt=1)
    """Share of every batch drawn from the trusted set; 0 mixes the trusted samples among the others."""
    learning_rate: float = Field(gt=0)
    """Peak of the one-cycle schedule."""
    momentum: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]
    """At the peak of the learning rate, and at its ends."""
    weight_decay: float = Field(ge=0)
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of the exponential moving average of the weights, which are then those of the run."""
    max_shift: int = Field(ge=0)
    """Pixels by which augmentation shifts an image."""
    mirror: bool
    """Whether augmentation turns half of the images left to right."""
    own_untrusted: float = Field(gt=0, le=1)
    """A class's own share of its confidence label, for untrusted samples; the rest goes to its group."""
    own_trusted: float = Field(gt=0, le=1)
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
