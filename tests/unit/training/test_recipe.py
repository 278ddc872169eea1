"""Recipes: small files that are read strictly."""

from pathlib import Path

import pytest

from training.recipe import RECIPES, RecipeError, load_recipe

SMALL = (RECIPES / "small.toml").read_text()


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_loaded(path: Path) -> None:
    """Each recipe that ships is found by its name, and is the same when given as a path."""
    assert load_recipe(path.stem) == load_recipe(str(path))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("colour = 3", "colour: Extra inputs are not permitted"),
        ("epochs = 0", "epochs: Input should be greater than 0"),
        ('learning_rate = "fast"', "learning_rate: "),
        ("trusted_share = 1.0", "trusted_share: "),
        ("own_trusted = 0.0", "own_trusted: "),
        ("epochs = ", "at line"),
    ],
)
def test_a_wrong_recipe_is_refused_by_the_field(tmp_path: Path, line: str, named: str) -> None:
    """An unknown or wrong entry is refused with the file's and the entry's name, so a misspelt key is never ignored."""
    key = line.split(" =", maxsplit=1)[0]
    kept = [each for each in SMALL.splitlines() if not each.startswith(f"{key} =")]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join([line, *kept]))
    with pytest.raises(RecipeError, match=named) as caught:
        load_recipe(str(path))
    assert str(caught.value).startswith("mine.toml: ")


def test_an_entry_of_the_network_is_named_with_its_place(tmp_path: Path) -> None:
    """An unknown entry of the network's table is named with the table."""
    path = tmp_path / "mine.toml"
    path.write_text(SMALL + "\ndepth = 3\n")
    with pytest.raises(RecipeError, match=r"network\.depth"):
        load_recipe(str(path))


@pytest.mark.parametrize("name", ["smal", "nowhere.toml", "../small"])
def test_a_missing_recipe_is_answered_with_those_there_are(name: str) -> None:
    """A recipe that does not exist is answered with the names of those that do."""
    with pytest.raises(RecipeError, match=rf"no recipe '{name}'; there are .*'small'"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("name", "epochs", "batch", "rate", "patience"),
    [
        ("paper-cifar10", 200, 256, 0.2, 5),
        ("paper-fashion-mnist", 200, 256, 0.2, 5),
        ("paper-imagenet-finetune", 20, 1000, 0.0005, 1),
        ("paper-food101n", 50, 1000, 0.005, 1),
    ],
)
def test_the_paper_s_recipes_are_the_paper_s(name: str, epochs: int, batch: int, rate: float, patience: int) -> None:
    """Epochs, batch, learning rate, weight decay and schedule are those that the paper states."""
    recipe = load_recipe(name)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (epochs, batch, rate)
    assert (recipe.weight_decay, recipe.loss, recipe.trusted_share) == (5e-4, "lp", 0)
    assert recipe.schedule.kind == "plateau"
    assert (recipe.schedule.factor, recipe.schedule.patience) == (0.5, patience)
