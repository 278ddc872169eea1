"""What the audit command prints."""

import polars as pl

from service.audits.summary import summary

REPORT = {
    "rows": 3,
    "scored": 3,
    "flagged": 1,
    "noise_rate": {"estimate": 0.3, "low": 0.1, "high": 0.5},
    "asymmetry": {"verdict": "insufficient", "excess": {"estimate": 0.2, "low": 0.0, "high": 0.4}},
    "transition": {"classes": ["cat", "dog"], "counts": [[1.0, 0.9], [0.1, 1.0]]},
    "warnings": ["few rows"],
}


def test_the_summary_names_who_is_mistaken_for_whom_and_the_worst_row() -> None:
    """A person reads the rate, the pairs that matter, the flagged rows by their number from 1, and the warnings."""
    rows = pl.DataFrame(
        {
            "class": ["cat", "dog", "dog"],
            "flagged": [False, True, None],
            "log_odds": [-3.0, 4.0, None],
            "suggested_label": ["dog", "cat", None],
            "p_wrong": [0.05, 0.982, None],
        }
    )
    lines = list(summary(REPORT, rows, "class"))
    assert lines[0] == "1 of 3 labels are likely wrong (3 rows)"
    assert "  about 1 times cat is called dog" in lines
    assert not any("dog is called cat" in line for line in lines)
    assert "  row 2: dog, probably cat (wrong with probability 0.982)" in lines
    assert lines[-1] == "warning: few rows"
