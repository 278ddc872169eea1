"""The command's root: what it offers, and how it ends when something is wrong."""

from typing import NoReturn

import pytest
import typer

from lookalike import cli
from models.errors import LookalikeError

COMMANDS = {
    "serve",
    "classify",
    "audit",
    "models",
    "confidence-labels",
    "train",
    "export",
    "noise",
    "evaluate",
    "experiment",
}


def test_every_command_is_mounted() -> None:
    """The commands of all rooms are offered under one name."""
    command = typer.main.get_command(cli.app)
    assert isinstance(command, typer.core.TyperGroup)
    assert command.commands.keys() >= COMMANDS


def ending(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Run the command with a body that ends like this."""

    def body() -> NoReturn:
        raise error

    monkeypatch.setattr(cli, "app", body)
    cli.main()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LookalikeError("no such thing: make one"), "lookalike: no such thing: make one\n"),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), "lookalike: a.csv: No such file or directory\n"),
        (PermissionError(13, "Permission denied", "/b"), "lookalike: /b: Permission denied\n"),
    ],
)
def test_an_error_meant_for_the_person_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    """What a person can mend is one line on stderr, nothing on stdout, and exit code 1."""
    with pytest.raises(SystemExit) as ended:
        ending(monkeypatch, error)
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("error", [ValueError("defect"), OSError("without a file")])
def test_a_defect_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Anything else keeps its traceback: it is for whoever mends the program."""
    with pytest.raises(type(error), match=str(error)):
        ending(monkeypatch, error)


def test_a_command_that_trains_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where torch is not installed, as after `make serve`, the cure is one line; another missing module is a defect."""
    with pytest.raises(SystemExit):
        ending(monkeypatch, ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert "make .venv/everything" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        ending(monkeypatch, ModuleNotFoundError("No module named 'labels'", name="labels"))
