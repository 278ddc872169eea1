"""Columns that bear a name which is needed for something else: they go on as ``<name>_input``."""

from collections.abc import Collection, Sequence

SUFFIX = "_input"


def renames(names: Collection[str], columns: Sequence[str]) -> dict[str, str]:
    """New names for those of the columns that bear one of ``names``; none is in use already."""
    taken = {*columns, *names}
    renamed = {}
    for column in columns:
        if column in names:
            renamed[column] = f"{column}{SUFFIX}"
            while renamed[column] in taken:
                renamed[column] += SUFFIX
            taken.add(renamed[column])
    return renamed
