"""The members of an archive by name."""

from typing import Generic, TypeVar

from labels.images.errors import ImageSourceError, MissingImageError
from labels.images.names import normalise_name

MAX_MEMBERS = 2_000_000
_Place = TypeVar("_Place")


class MemberIndex(Generic[_Place]):
    """Where each member lies. Members whose names lead outside are not in it, so no name can reach them.

    Where all members share one top folder, as archives of a folder do, it may be left out of the names.
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._seen = 0
        self._top_folders: set[str] = set()

    def add(self, name: str, place: _Place) -> None:
        """Add a member; of two with one name the later counts, as when unpacking. Raises for too many."""
        self._seen += 1
        if self._seen > MAX_MEMBERS:
            raise ImageSourceError(f"the archive has more than {MAX_MEMBERS} members: split it, or give a folder")
        normal = normalise_name(name)
        if normal is None or normal.startswith("__MACOSX/"):  # what macOS adds to every zip
            return
        self._places[normal] = place
        if len(self._top_folders) < 2:
            top, slash, _ = normal.partition("/")
            self._top_folders.add(top if slash else "")

    def find(self, name: str) -> _Place:
        """Return the place of a member; raises ``MissingImageError``."""
        normal = normalise_name(name)
        if normal is not None:
            if normal in self._places:
                return self._places[normal]
            if len(self._top_folders) == 1:
                (top,) = self._top_folders
                if f"{top}/{normal}" in self._places:
                    return self._places[f"{top}/{normal}"]
        raise MissingImageError(name)
