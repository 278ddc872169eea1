"""The commands as a person calls them: what they print, where, and how they end."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

ANSWERS = ["status", "p_wrong", "log_odds", "p_confusable", "flagged", "suggested_label", "kind"]


def one_line(result: Any, *parts: str) -> bool:
    """Whether a command failed as a command should: code 1, one line on stderr that holds these parts."""
    lines = result.stderr.splitlines()
    return (
        result.returncode == 1
        and result.stdout == ""
        and len(lines) == 1
        and lines[0].startswith("lookalike: ")
        and all(part in lines[0] for part in parts)
    )


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure that a run of the tests should show, passed or failed."""

    def uncaptured(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201 - what it is for

    return uncaptured


def test_classify_says_a_sentence_for_each_image(lookalike: Any, kit: Any) -> None:
    """Each image gets one line that starts with its path."""
    result = lookalike("classify", kit.image(0), kit.image(1))
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first.startswith(f"{kit.image(0)}: ")
    assert second.startswith(f"{kit.image(1)}: ")


def test_an_audit_without_a_terminal_says_its_answer_alone(lookalike: Any, tmp_path: Path) -> None:
    """Where output goes to a file or another command, no progress bar stands in it."""
    labels = tmp_path / "labels.csv"
    labels.write_text("label,prob_a,prob_b\n" + "a,0.9,0.1\nb,0.1,0.9\n" * 5)
    result = lookalike("audit", labels, "--out", tmp_path / "out")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("0 of 10 labels are likely wrong (10 rows)\n")


def test_classify_as_json_prints_one_document_and_nothing_else(lookalike: Any, service: Any, kit: Any) -> None:
    """``classify --json`` gives on stdout exactly what the service answers for the same images."""
    result = lookalike("classify", kit.image(0), kit.image(1), "--json")
    assert (result.returncode, result.stderr) == (0, "")
    served = service.classify_many(kit.image(0).read_bytes(), kit.image(1).read_bytes()).json()
    assert json.loads(result.stdout) == served


def test_classify_with_a_bad_file_answers_the_others_and_fails(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """A file that is no image, or not there, has an error in its slot, the others their answers, and the code is 1."""
    (tmp_path / "bad.png").write_text("text")
    result = lookalike("classify", "bad.png", kit.image(0), "nowhere.png", "--json")
    assert result.returncode == 1
    bad, good, missing = json.loads(result.stdout)["predictions"]
    assert bad["error"]["code"] == "not_an_image"
    assert "class" in good
    assert missing["error"].keys() == {"code", "detail"}
    spoken = lookalike("classify", "bad.png", kit.image(0))
    assert spoken.returncode == 1
    assert "not classified" in spoken.stdout.splitlines()[0]


def test_models_are_listed(lookalike: Any) -> None:
    """``models list`` names the shipped model, for people and as JSON."""
    assert lookalike("models", "list").stdout.startswith("fashion-mnist@1  10 classes")
    (manifest,) = json.loads(lookalike("models", "list", "--json").stdout)
    assert (manifest["name"], manifest["version"]) == ("fashion-mnist", "1")


def test_models_are_verified_and_a_changed_one_is_found(lookalike: Any, shipped: Path, tmp_path: Path) -> None:
    """``models verify`` passes the shipped model, fails a changed one by name, and does not pass an empty folder."""
    assert lookalike("models", "verify").stdout == "fashion-mnist@1  ok\n"
    store = shutil.copytree(shipped, tmp_path / "store")
    with next(store.glob("*/*/model.onnx")).open("ab") as graph:
        graph.write(b"x")
    assert one_line(lookalike("models", "verify", "--models", store), "fashion-mnist@1", "model.onnx")
    assert one_line(lookalike("models", "verify", "--models", tmp_path / "nowhere"), "no models")


@pytest.fixture
def audited(lookalike: Any, kit: Any, tmp_path: Path) -> Any:
    """Audit a label file over the kit's images by the command; its report and rows."""

    def audit(labels: Path, *options: object) -> tuple[Any, dict[str, Any], pl.DataFrame]:
        out = tmp_path / "audit"
        result = lookalike("audit", labels, "--images", kit.images, "--out", out, *options)
        assert result.returncode == 0, result.stderr
        return result, json.loads((out / "report.json").read_text()), pl.read_parquet(out / "rows.parquet")

    return audit


def test_an_audit_finds_the_wrong_labels(audited: Any, kit: Any, say: Any) -> None:
    """On the example kit the ranking by log-odds has an average precision of at least 0.90 against the known truth."""
    _, report, rows = audited(kit.labels)
    wrong = (pl.read_csv(kit.truth)["label"] != rows["label"]).to_numpy()
    precision = average_precision_score(wrong, rows["log_odds"].to_numpy())
    flagged = rows["flagged"].to_numpy()
    say(
        f"average precision {precision:.4f}; flagged {flagged.sum()}, {(flagged & wrong).sum()} of them among the "
        f"{wrong.sum()} wrong; noise rate {report['noise_rate']['estimate']:.3f}"
    )
    assert precision >= 0.90


def test_the_noise_rate_and_its_kind_are_found(audited: Any, kit: Any) -> None:
    """On the example kit the interval of the noise rate holds the true rate, and the verdict is asymmetric."""
    _, report, rows = audited(kit.labels)
    wrong = (pl.read_csv(kit.truth)["label"] != rows["label"]).to_numpy()
    assert report["noise_rate"]["low"] <= wrong.mean() <= report["noise_rate"]["high"]
    assert report["asymmetry"]["verdict"] == "asymmetric"


def test_a_clean_file_is_left_in_peace(audited: Any, kit: Any, say: Any) -> None:
    """Of right labels less than 1 % are flagged."""
    _, report, rows = audited(kit.truth)
    share = rows["flagged"].sum() / len(rows)
    say(f"flagged {share:.2%} of {len(rows)} right labels; {report['asymmetry']['verdict']}")
    assert share < 0.01


def test_an_audit_keeps_the_rows_and_columns_of_its_input(audited: Any, kit: Any, tmp_path: Path) -> None:
    """``rows.parquet`` has the input's rows in the input's order with all its columns, and the answers behind them."""
    table = pl.read_csv(kit.labels).reverse().with_columns(note=pl.int_range(600).cast(pl.String).str.zfill(5))
    table.write_csv(tmp_path / "mine.csv")
    _, _, rows = audited(tmp_path / "mine.csv")
    assert rows.columns == [*table.columns, *ANSWERS]
    assert rows.select(table.columns).equals(table)


def test_audit_as_json_prints_the_report_and_nothing_else(audited: Any, kit: Any) -> None:
    """``audit --json`` puts exactly ``report.json`` on stdout; the progress goes elsewhere."""
    result, report, _ = audited(kit.labels, "--json")
    assert json.loads(result.stdout) == report


def test_audit_sums_up_for_people(audited: Any, kit: Any) -> None:
    """Without ``--json`` a person reads how many labels are likely wrong and where the answers lie."""
    result, report, _ = audited(kit.labels)
    assert f"{report['flagged']} of 600 labels are likely wrong" in result.stdout
    assert "rows.parquet" in result.stdout


def test_audit_gives_probabilities_when_asked(audited: Any, kit: Any) -> None:
    """``--probabilities`` adds a column for each class, and each row's sum to one."""
    _, _, rows = audited(kit.labels, "--probabilities")
    columns = [name for name in rows.columns if name.startswith("model_prob_")]
    assert len(columns) == 10
    np.testing.assert_allclose(rows.select(columns).to_numpy().sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("zipped", [False, True])
def test_images_in_folders_of_classes_are_audited_alone(lookalike: Any, kit: Any, tmp_path: Path, zipped: bool) -> None:
    """A folder, or an archive, whose folders are called like the classes is audited without a label file."""
    labels = [row for row in pl.read_csv(kit.labels).rows(named=True) if "/" not in row["label"]][:60]
    for row in labels:
        folder = tmp_path / "set" / row["label"]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(kit.images / row["image"], folder)
    path = Path(shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")) if zipped else tmp_path / "set"
    result = lookalike("audit", path, "--evidence", "reference", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "60 rows" in result.stdout
    rows = pl.read_parquet(tmp_path / "out" / "rows.parquet")
    assert sorted(rows["image"]) == sorted(f"{row['label']}/{row['image']}" for row in labels)
    assert (rows["status"] == "scored").all()


def test_the_command_and_the_service_judge_alike(audited: Any, service: Any, kit: Any) -> None:
    """The same upload gets the same scores from the command and from the service."""
    _, report, rows = audited(kit.labels)
    location = service.audit(kit.labels.read_bytes(), kit.archive)
    assert service.http.get(f"{location}/report").json() == report
    page = service.http.get(f"{location}/rows", params={"sort": "row", "limit": 1000}).json()["rows"]
    assert [row["log_odds"] for row in page] == pytest.approx(rows["log_odds"].to_list())


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["audit", "labels.csv"],
        ["classify"],
        ["serve", "--port", "many"],
        ["noise", "labels.csv", "--out", "x.csv"],
        ["audit", "labels.csv", "--out", "x", "--evidence", "guess"],
        ["train", "small", "--loss", "unheard-of"],
    ],
)
def test_wrong_use_ends_with_2(lookalike: Any, arguments: list[str]) -> None:
    """A missing or impossible argument ends with code 2, without a traceback."""
    result = lookalike(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_mistakes_in_files_are_one_line(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """A file that is missing or wrong ends a command with code 1 and one line that names it."""
    images = ["--images", kit.images]
    assert one_line(lookalike("classify", kit.image(0), "--model", "nope"), "'nope'", "fashion-mnist")
    assert one_line(lookalike("classify", kit.image(0), "--models", tmp_path), "none")
    groups = lookalike("audit", kit.labels, *images, "--groups", "nowhere.json", "--out", "x")
    assert one_line(groups, "nowhere.json")
    noise = ["noise", kit.truth, "--noise", "symmetric:0.1"]
    assert one_line(lookalike(*noise, "--out", tmp_path / "x.txt"), "x.txt", ".parquet")
    assert one_line(lookalike(*noise, "--out", tmp_path / "no" / "x.csv"), "no")
    assert one_line(lookalike("noise", kit.truth, "--noise", "much", "--out", "x.csv"), "'much'")
    assert one_line(lookalike("train", "no-such-recipe"), "no-such-recipe", "small")


def test_an_audit_that_fails_says_why_in_its_last_line(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """An audit of a missing label file, or of missing images, ends with code 1 and no traceback."""
    for arguments, said in (
        (["nowhere.csv", "--images", kit.images], "nowhere.csv"),
        ([kit.labels, "--images", "nowhere.zip"], "nowhere.zip"),
        ([kit.labels], "images"),
        ([kit.images], "the images lie in no folders"),
        ([kit.labels, "--images", kit.images, "--label-column", "truth"], "no column 'truth'"),
    ):
        result = lookalike("audit", *arguments, "--out", tmp_path / "out")
        assert (result.returncode, result.stdout) == (1, "")
        assert said in result.stderr.splitlines()[-1]
        assert "Traceback" not in result.stderr
        assert not (tmp_path / "out").exists()


def test_noise_with_one_seed_is_the_same_noise(lookalike: Any, kit: Any, tmp_path: Path) -> None:
    """``noise`` twice with one seed writes the same bytes, with another seed others, and only inside the groups."""
    options = ["noise", kit.truth, "--noise", "asymmetric:0.3", "--groups", kit.groups]
    for seed, name in ((1, "a.csv"), (1, "b.csv"), (2, "c.csv")):
        result = lookalike(*options, "--seed", seed, "--out", tmp_path / name)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() != (tmp_path / "c.csv").read_bytes()
    truth, noisy = pl.read_csv(kit.truth), pl.read_csv(tmp_path / "a.csv")
    assert noisy["image"].to_list() == truth["image"].to_list()
    groups = [set(group) for group in json.loads(kit.groups.read_text())["groups"]]
    flips = [{a, b} for a, b in zip(truth["label"], noisy["label"], strict=True) if a != b]
    assert 100 < len(flips) < 260
    assert all(flip in groups for flip in flips)


def test_a_key_is_shown_once_listed_and_revoked(lookalike: Any) -> None:
    """``keys new`` prints the key alone on stdout; ``list`` never does; what is revoked is listed no more."""
    lookalike_keys = {"LOOKALIKE_KEYS_FILE": "keys.json"}
    made = lookalike("keys", "new", "--name", "ann", "--scope", "audit", "--days", "3", settings=lookalike_keys)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("lk_")
    assert len(secret.split()) == 1
    other = json.loads(
        lookalike("keys", "new", "--name", "bob", "--scope", "admin", "--file", "keys.json", "--json").stdout
    )
    assert (other["name"], other["scopes"], other["expires_at"]) == ("bob", ["admin"], None)
    listed = lookalike("keys", "list", settings=lookalike_keys)
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [["ann", "audit"], ["bob", "admin"]]
    for printed in (listed.stdout, (lookalike.cwd / "keys.json").read_text()):
        assert secret not in printed
        assert other["key"] not in printed
    assert lookalike("keys", "revoke", "ann", settings=lookalike_keys).returncode == 0
    assert [key["name"] for key in json.loads(lookalike("keys", "list", "--file", "keys.json", "--json").stdout)] == [
        "bob"
    ]
    assert one_line(lookalike("keys", "revoke", "ann", settings=lookalike_keys), "no key 'ann'", "bob")
    assert one_line(
        lookalike("keys", "new", "--name", "a b", "--scope", "audit", "--file", "keys.json"), "--name", "a b"
    )
    assert lookalike("keys", "new", "--name", "x", "--scope", "root", "--file", "keys.json").returncode == 2
