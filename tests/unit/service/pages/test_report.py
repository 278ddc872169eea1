"""The report in words and drawings: what people read off it must be what the audit found."""

from typing import Any

import pytest

from service.audits.report import Interval
from service.pages import wording
from service.pages.curve import HEIGHT, WIDTH, curve
from service.pages.matrix import MOST_CLASSES, SHADES, heat_map


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.5821, 1, "58.2 %"), (0.0, 0, "0 %"), (1.0, 0, "100 %"), (0.0004, 1, "< 0.1 %"), (0.9999, 0, "> 99 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(share: float, digits: int, text: str) -> None:
    """Percentages read well, and only what is none or all says so."""
    assert wording.percent(share, digits) == text


@pytest.mark.parametrize(
    ("low", "estimate", "high", "words"),
    [
        (0.16, 0.208, 0.25, "About 21 % of these labels are wrong"),
        (0.005, 0.012, 0.02, "About 1.2 % of these labels are wrong"),
        (0.0, 0.004, 0.02, "Up to 2 % of these labels may be wrong"),
        (0.0, 0.001, 0.003, "These labels are as good as clean"),
    ],
)
def test_the_headline_claims_no_more_than_the_interval(low: float, estimate: float, high: float, words: str) -> None:
    """What may be zero is not called wrong, and what is surely small is called clean."""
    assert wording.headline(Interval(estimate=estimate, low=low, high=high), 10) == words


def test_a_file_of_which_nothing_stands_out_is_told_so() -> None:
    """Where no label is more likely wrong than right the headline doesn't send one to look for some."""
    assert wording.headline(Interval(estimate=0.0, low=0.0, high=0.04), 0) == "No label stands out"


def test_no_part_is_said_to_be_more_than_the_whole() -> None:
    """What names a similar class is a part of the wrong labels: a figure beyond theirs is left out, or ends at it."""
    rate = Interval(estimate=0.229, low=0.145, high=0.3)
    more = {"verdict": "asymmetric", "excess": Interval(estimate=0.285, low=0.22, high=0.34)}
    assert "%" not in wording.asymmetry(more, rate)  # type: ignore[arg-type] # a typed dict in all but name
    most = {"verdict": "asymmetric", "excess": Interval(estimate=0.2, low=0.12, high=0.34)}
    assert "(12.0 % to 30.0 %)" in wording.asymmetry(most, rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("share", "high", "low_rate", "evidence", "words"),
    [
        (0.0, 0.13, 0.17, "reference", "Wrong labels don't gather on hard images (at most 13 % of them do)."),
        (0.0, 0.0, 0.15, "cross_validated", "Whether wrong labels gather"),
        (0.0, 0.9, 0.17, "reference", "Whether wrong labels gather"),
        (0.4, 0.9, 0.17, "reference", "40 % of the wrong labels"),
        (0.0, 0.99, 0.0, "reference", None),
    ],
)
def test_what_can_not_be_told_of_hard_images_is_not_told(
    share: float, high: float, low_rate: float, evidence: Any, words: str | None
) -> None:
    """The sentence stands where labels are wrong and the model did not learn from them, and bounds something."""
    rate = Interval(estimate=0.2, low=low_rate, high=0.3)
    said = wording.hard_images({"share": share, "low": share / 2, "high": high}, rate, evidence)
    assert (said is None) if words is None else (said or "").startswith(words)


def test_a_file_of_probabilities_is_judged_by_them() -> None:
    """Nobody looked at images there, whatever the evidence is called."""
    assert wording.judged_by("cross_validated", None) == "by the probabilities in the file"


@pytest.mark.parametrize("verdict", ["asymmetric", "symmetric", "clean", "insufficient"])
def test_each_verdict_is_one_plain_sentence(verdict: Any) -> None:
    """Whatever the verdict, it is said in one sentence, and each verdict in another."""
    excess = Interval(estimate=0.18, low=0.15, high=0.22)
    sentence = wording.asymmetry({"verdict": verdict, "excess": excess}, Interval(estimate=0.2, low=0.16, high=0.25))
    assert sentence.endswith(".")
    assert ("18.0 %" in sentence) == (verdict == "asymmetric")


def test_the_heat_map_shades_what_is_wrong_alone() -> None:
    """The fullest wrong cell is darkest, right labels and empty cells have no shade, pairs come largest first."""
    counts = [[90.0, 4.0, 0.2], [16.0, 80.0, 0.0], [0.0, 0.0, 50.0]]
    rates = [[value / sum(row) for value in row] for row in counts]
    found = heat_map({"classes": ["a", "b", "c"], "counts": counts, "rates": rates})
    shades = [[cell.shade for cell in row] for row in found.rows]
    assert shades[1][0] == SHADES
    assert 0 < shades[0][1] < SHADES
    assert [shades[k][k] for k in range(3)] == [0, 0, 0]
    assert shades[0][2] == 0
    assert [(cell.true, cell.given) for cell in found.largest] == [(1, 0), (0, 1)]


def test_of_many_classes_the_busiest_are_shown() -> None:
    """With 100 classes the map has those that are confused, and says how many it leaves out."""
    counts = [[10.0 if k == j else 0.0 for j in range(100)] for k in range(100)]
    counts[97][3] = 5.0
    found = heat_map({"classes": [str(k) for k in range(100)], "counts": counts, "rates": counts})
    assert len(found.shown) == MOST_CLASSES
    assert {97, 3} <= set(found.shown)
    assert found.left_out == 100 - MOST_CLASSES


def test_the_curve_falls_as_the_precision_does() -> None:
    """The line runs to the right, goes down where precision falls, and stays inside the drawing."""
    budgets = [{"budget": 10, "precision": 0.99}, {"budget": 100, "precision": 0.9}, {"budget": 600, "precision": 0.2}]
    drawn = curve(budgets)  # type: ignore[arg-type] # typed dicts in all but name
    assert drawn is not None
    xs, ys = zip(*drawn.points, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys)
    assert 0 < xs[0] < xs[-1] < WIDTH
    assert 0 < ys[0] < ys[-1] < HEIGHT
    assert [text for _, text in drawn.across] == ["10", "20", "50", "100", "200", "500"]
    wide = curve([budgets[0], {"budget": 100_000, "precision": 0.1}])  # type: ignore[arg-type,list-item]
    assert wide is not None
    assert [text for _, text in wide.across] == ["10", "100", "1,000", "10,000", "100,000"]


def test_one_budget_is_no_curve() -> None:
    """A file of ten rows has nothing to draw, and no page fails for it."""
    assert curve([{"budget": 10, "precision": 0.9}]) is None
    assert curve([]) is None
