"""What an audit found, in lines for a terminal."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

_SHOWN = 5


def summary(report: dict[str, Any], rows: pl.DataFrame, label_column: str) -> Iterator[str]:
    """The answer for the data set, who is mistaken for whom, and the most suspicious rows (counted from 1)."""
    rate, asymmetry = report["noise_rate"], report["asymmetry"]
    excess = asymmetry["excess"]
    yield f"{report['flagged']} of {report['scored']} labels are likely wrong ({report['rows']} rows)"
    yield f"noise rate {rate['estimate']:.3f} (95 % interval {rate['low']:.3f} to {rate['high']:.3f})"
    yield (
        f"asymmetry: {asymmetry['verdict']} "
        f"(excess inside the groups {excess['estimate']:.3f}, {excess['low']:.3f} to {excess['high']:.3f})"
    )
    classes, counts = report["transition"]["classes"], np.array(report["transition"]["counts"])
    np.fill_diagonal(counts, 0)
    for cell in np.argsort(-counts, axis=None, kind="stable")[:_SHOWN]:
        true, given = divmod(int(cell), len(classes))
        if counts[true, given] >= 0.5:
            yield f"  about {counts[true, given]:.0f} times {classes[true]} is called {classes[given]}"
    flagged = rows.with_row_index("number", offset=1).filter(pl.col("flagged")).sort("log_odds", descending=True)
    for row in flagged.head(_SHOWN).iter_rows(named=True):
        yield (
            f"  row {row['number']}: {row[label_column]}, probably {row['suggested_label']} "
            f"(wrong with probability {row['p_wrong']:.3f})"
        )
    for warning in report["warnings"]:
        yield f"warning: {warning}"
