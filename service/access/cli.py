"""Commands that make, list and revoke API keys. Their bodies import the rest; this file does not."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.access.keys import Key

keys = typer.Typer(help="API keys, which a server asks for.", no_args_is_help=True)

File = Annotated[Path, typer.Option("--file", envvar="LOOKALIKE_KEYS_FILE", help="File of the keys' hashes.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


class Scope(StrEnum):
    """What a key is for, by the names of the command line."""

    classify = "classify"
    audit = "audit"
    admin = "admin"


@keys.command("new")
def new_key(
    name: Annotated[str, typer.Option(help="Whose the key is; audits and decisions bear it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is for; may be repeated. admin: everything.")],
    file: File,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Days that it is valid; default: always.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key, print it this once, and add its hash to the file; servers take it up within seconds."""
    from service.access.key_file import add_key
    from service.access.keys import new_key

    secret, key = new_key(name, [each.value for each in scope], days=days)
    add_key(file, key)
    if as_json:
        typer.echo(json.dumps({"key": secret} | _shown(key)))
        return
    typer.echo(secret)
    typer.echo(f"This is the only time that the key is shown: {file} has its hash.", err=True)


@keys.command("list")
def list_keys(file: File, as_json: Json = False) -> None:
    """List the keys by name, with their scopes."""
    from datetime import UTC, datetime

    from service.access.key_file import read_keys

    found = read_keys(file)
    if as_json:
        typer.echo(json.dumps([_shown(key) for key in found]))
        return
    for key in found:
        line = f"{key.name}  {' '.join(key.scopes)}  since {key.created_at:%Y-%m-%d}"
        if key.expires_at is not None:
            line += f", {'expired' if key.expires_at <= datetime.now(UTC) else 'until'} {key.expires_at:%Y-%m-%d}"
        typer.echo(line)


@keys.command("revoke")
def revoke_key(name: str, file: File) -> None:
    """Take a key out of the file; servers no longer let it in within seconds."""
    from service.access.key_file import revoke_key

    revoke_key(file, name)


def _shown(key: "Key") -> dict[str, object]:
    """What is told of a key; its hash is nobody's business."""
    return key.model_dump(mode="json", exclude={"sha256"})
