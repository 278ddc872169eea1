"""The keys in force: who is let in, and what becomes of it when the file changes under a running service."""

import hmac
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.access.key_file import KeyFile, add_key, revoke_key
from service.access.keyring import Keyring
from service.access.keys import new_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def made(path: Path, name: str = "ann", *scopes: str) -> bytes:
    secret, key = new_key(name, scopes or ("classify",))  # type: ignore[arg-type]
    add_key(path, key)
    return secret.encode()


def test_the_bearer_of_a_key_is_known(path: Path) -> None:
    """Each key stands for its name and what it is for; admin is for everything."""
    ann, boss = made(path, "ann", "classify"), made(path, "boss", "admin")
    keyring = Keyring(path)
    caller = keyring.caller(ann)
    assert caller is not None
    assert (caller.key, caller.owner, caller.may) == ("ann", "ann", {"key", "classify"})
    caller = keyring.caller(boss)
    assert caller is not None
    assert caller.may == {"key", "classify", "audit", "admin"}


def test_whatever_is_no_key_is_nobodys(path: Path) -> None:
    """A key that is cut, longer, changed in a letter, or its hash instead is as good as none."""
    secret = made(path)
    keyring = Keyring(path)
    kept = KeyFile.model_validate_json(path.read_bytes()).keys[0].sha256.encode()
    other = b"x" if secret[-1:] != b"x" else b"y"
    for wrong in (b"", secret[:-1], secret + b"x", secret[:-1] + other, secret.swapcase(), kept, secret * 1000):
        assert keyring.caller(wrong) is None


def test_equality_is_decided_in_constant_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key counts only if the comparison that takes the same time for every input says so."""
    secret = made(path)
    keyring = Keyring(path)
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: False)
    assert keyring.caller(secret) is None


def test_an_expired_key_is_nobodys(path: Path) -> None:
    """From its last moment on a key no longer counts; one that has a day left does."""
    secrets = []
    keys = []
    for name, left in (("past", timedelta(seconds=-1)), ("future", timedelta(days=1))):
        secret, key = new_key(name, ["classify"], days=1)
        secrets.append(secret.encode())
        keys.append(key.model_copy(update={"expires_at": datetime.now(UTC) + left}))
    path.write_text(KeyFile(keys=tuple(keys)).model_dump_json())
    keyring = Keyring(path)
    assert [keyring.caller(secret) is not None for secret in secrets] == [False, True]


def test_a_changed_file_counts_without_a_restart(path: Path) -> None:
    """New keys are let in and revoked ones no longer, as soon as the file is looked at again."""
    ann = made(path, "ann")
    keyring = Keyring(path, look_every=0)
    bob = made(path, "bob")
    assert keyring.caller(bob) is not None
    revoke_key(path, "ann")
    assert keyring.caller(ann) is None
    assert keyring.caller(bob) is not None


def test_the_file_is_looked_at_now_and_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every request touches the disk."""
    secret = made(path)
    keyring = Keyring(path, look_every=3600)
    monkeypatch.setattr("os.stat", lambda *_: pytest.fail("the file was looked at"))
    for _ in range(100):
        assert keyring.caller(secret) is not None


@pytest.mark.parametrize("broken", ['{"keys": [', '{"keys": [{"name": "eve"}]}', None], ids=["cut", "wrong", "gone"])
def test_a_broken_new_file_changes_nothing(path: Path, caplog: pytest.LogCaptureFixture, broken: str | None) -> None:
    """The keys of before stay in force, the log says once what is wrong, and a mended file counts again."""
    secret = made(path)
    good = path.read_bytes()
    keyring = Keyring(path, look_every=0)
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert keyring.caller(secret) is not None
    (record,) = caplog.records
    assert "stay in force" in record.getMessage()
    assert str(path) in record.getMessage()
    path.write_bytes(good)
    bob = made(path, "bob")
    assert keyring.caller(bob) is not None


def test_a_file_of_no_keys_lets_nobody_in(path: Path) -> None:
    """When the last key is revoked nobody gets in: no keys is not the same as no file of keys."""
    secret = made(path)
    keyring = Keyring(path, look_every=0)
    revoke_key(path, "ann")
    assert keyring.caller(secret) is None
