"""API keys and their file: shown once, kept as hashes, changed whole or not at all."""

import os
import threading
from pathlib import Path

import pytest

from service.access.key_file import KeyFileError, add_key, read_keys, revoke_key
from service.access.keys import KEY_LENGTH, Key, KeyNameError, digest, new_key


def key(name: str = "ann", **options: int) -> Key:
    return new_key(name, ["classify"], **options)[1]


def test_a_key_is_long_random_and_not_in_the_file(tmp_path: Path) -> None:
    """No two keys are equal, each has 256 random bits, and from the file none can be taken."""
    path = tmp_path / "keys.json"
    secrets = set()
    for number in range(20):
        secret, kept = new_key(f"k{number}", ["audit", "classify", "audit"])
        add_key(path, kept)
        assert (len(secret), secret[:3]) == (KEY_LENGTH, "lk_")
        assert kept.sha256 == digest(secret.encode()).hex()
        assert kept.scopes == ("audit", "classify")
        secrets.add(secret)
    assert len(secrets) == 20
    content = path.read_text()
    assert not any(secret in content or secret[3:] in content for secret in secrets)


def test_what_is_added_is_read_until_it_is_revoked(tmp_path: Path) -> None:
    """Keys come back as they were added, in order; one that is revoked is gone and the others stay."""
    path = tmp_path / "keys.json"
    ann, bob = key("ann"), key("bob", days=3)
    add_key(path, ann)
    add_key(path, bob)
    assert read_keys(path) == (ann, bob)
    assert bob.expires_at is not None
    assert (bob.expires_at - bob.created_at).days == 3
    revoke_key(path, "ann")
    assert read_keys(path) == (bob,)
    with pytest.raises(KeyFileError, match="no key 'ann'; it has bob"):
        revoke_key(path, "ann")


def test_a_name_is_borne_by_one_key(tmp_path: Path) -> None:
    """A second key of a name is refused: by the name a key is revoked and its audits are counted."""
    add_key(tmp_path / "keys.json", key("ann"))
    with pytest.raises(KeyFileError, match="choose another name"):
        add_key(tmp_path / "keys.json", key("ann"))


@pytest.mark.parametrize("name", ["", "local", " ann", "ann\n", "a/b", "é", "x" * 101, "-ann"])
def test_an_odd_name_is_refused(name: str) -> None:
    """Names that could be mistaken in a log, or for those who have no key, are refused by name."""
    with pytest.raises(KeyNameError, match="--name"):
        new_key(name, ["classify"])


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else may read it, whatever the umask; a file that was opened to a group stays so when it is changed."""
    path = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        add_key(path, key("ann"))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    add_key(path, key("bob"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A file that is mounted by a link is changed where it lies."""
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    add_key(tmp_path / "link.json", key())
    assert (tmp_path / "link.json").is_symlink()
    assert read_keys(tmp_path / "real.json") == read_keys(tmp_path / "link.json")


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk fails half way nothing is lost and nothing is left beside the file."""
    path = tmp_path / "keys.json"
    add_key(path, key("ann"))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        add_key(path, key("bob"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_of_keys_made_at_a_time_none_is_lost(tmp_path: Path) -> None:
    """Two who make keys in the same moment both find theirs in the file."""
    path = tmp_path / "keys.json"
    threads = [threading.Thread(target=add_key, args=(path, key(f"k{number}"))) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.name for each in read_keys(path)) == sorted(f"k{number}" for number in range(12))


GOOD = key().model_dump_json()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ('{"keys": [' + GOOD[:-1] + "]}", "JSON"),
        ('{"keys": [' + GOOD + '], "more": 1}', "more"),
        ('{"keys": [' + GOOD.replace('"classify"', '"root"') + "]}", "keys.0.scopes.0"),
        ('{"keys": [' + GOOD.replace('["classify"]', "[]") + "]}", "keys.0.scopes"),
        ('{"keys": [' + GOOD.replace('"sha256":"', '"sha256":"lk_') + "]}", "keys.0.sha256"),
        ('{"keys": [' + GOOD.replace("Z", "") + "]}", "keys.0.created_at"),
        ('{"keys": [' + GOOD + "," + GOOD + "]}", "two keys have the name 'ann'"),
        ('{"keys": [' + GOOD + "," + GOOD.replace('"ann"', '"bob"') + "]}", "two keys have the sha256"),
    ],
    ids=["empty", "list", "cut", "unknown field", "unknown scope", "no scope", "no hash", "no zone", "name", "hash"],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    """No key counts of a file in which anything is wrong; the message names the file and the place."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(KeyFileError, match=r"keys\.json") as refused:
        read_keys(path)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_said_with_the_cure(tmp_path: Path) -> None:
    """Whoever names a file that does not exist is told how one is made; a folder is refused, too."""
    with pytest.raises(KeyFileError, match="lookalike keys new"):
        read_keys(tmp_path / "keys.json")
    with pytest.raises(KeyFileError, match="can't be read"):
        read_keys(tmp_path)
