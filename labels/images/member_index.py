"""The members of an archive by name."""

from typing import Generic, TypeVar

from labels.images.errors import ImageSourceError, MissingImageError
from labels.images.names import normalise_name
from labels.images.source import MAX_FILES, Listing

MAX_NAME_CHARACTERS = 512 * 2**20
"""Of all names together: a header of a tar file may hold a name of any length."""
_Place = TypeVar("_Place")


class MemberIndex(Generic[_Place]):
    """Where each member lies. Members whose names lead outside are not in it, so no name can reach them.

    Where all members share one top folder, as archives of a folder do, it may be left out of the names.
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._seen = self._characters = 0
        self._top_folders: set[str] = set()
        self._outside: list[str] = []

    def add(self, name: str, place: _Place) -> None:
        """Add a member; of two with one name the later counts, as when unpacking. Raises for too many."""
        self._seen += 1
        self._characters += len(name)
        if self._seen > MAX_FILES:
            raise ImageSourceError(f"the archive has more than {MAX_FILES} members: split it, or give a folder")
        if self._characters > MAX_NAME_CHARACTERS:
            raise ImageSourceError("the names of the archive's members are too long: give a folder")
        normal = normalise_name(name)
        if normal is None:
            self._outside.append(name)
            return
        if normal.startswith("__MACOSX/"):  # what macOS adds to every zip
            return
        self._places[normal] = place
        if len(self._top_folders) < 2:
            top, slash, _ = normal.partition("/")
            self._top_folders.add(top if slash else "")

    def __contains__(self, name: str) -> bool:
        return self._key(name) is not None

    def find(self, name: str) -> _Place:
        """Return the place of a member; raises ``MissingImageError``."""
        key = self._key(name)
        if key is None:
            raise MissingImageError(name)
        return self._places[key]

    def _key(self, name: str) -> str | None:
        normal = normalise_name(name)
        if normal is not None and normal not in self._places and len(self._top_folders) == 1:
            (top,) = self._top_folders
            normal = f"{top}/{normal}"
        return normal if normal in self._places else None

    def listing(self) -> Listing:
        """List the members, links and devices among them."""
        return Listing.of(self._places, self._outside)
