"""Parameters that several routes take."""

from typing import Annotated

from fastapi import Path, Query

_MOST_ROWS = 2**31 - 1
"""No upload has more rows; what is larger fits no column of the database."""

AuditId = Annotated[str, Path(description="As the audit's state names it.", examples=["0f3f2b1e5d6c7a89"])]
RowNumber = Annotated[
    int, Path(ge=0, le=_MOST_ROWS, description="From 0, in the order of the label file.", examples=[4])
]

Top = Annotated[
    int | None, Query(ge=1, le=_MOST_ROWS, description="Only so many of the most suspicious rows that nobody verified.")
]
