"""Images that say themselves what they show: by a table among them, or by the folders that they lie in."""

from dataclasses import replace
from pathlib import Path

from labels.errors import LabelFileError
from labels.formats.class_folders import read_class_folders
from labels.formats.imagefolder import metadata_files, read_imagefolder
from labels.images.errors import ImageSourceError
from labels.images.opening import open_image_source
from labels.images.source import ImageSource
from labels.label_file import LabelFile, to_label_file
from labels.places import listed


def read_labelled_images(path: Path, *, label_column: str | None = None, image_column: str | None = None) -> LabelFile:
    """Read the labels of a folder or an archive of images: its metadata files if it has some, else its folders.

    Raises ``LabelFileError`` where neither says what the labels are, ``ImageSourceError`` where it can't be opened.
    """
    with open_image_source(path) as source:
        try:
            return _read(source, label_column, image_column)
        except LabelFileError as error:
            raise LabelFileError(f"{path.name}: {error}", row=error.row) from error
        except ImageSourceError as error:
            raise ImageSourceError(f"{path.name}: {error}") from error


def _read(source: ImageSource, label_column: str | None, image_column: str | None) -> LabelFile:
    listing = source.listing()
    if tables := metadata_files(listing.names):
        reading, folders = read_imagefolder(source, tables)
        labelled = to_label_file(reading, label_column, image_column, folders)
    else:
        labelled = to_label_file(read_class_folders(listing.names), label_column, image_column)
    if not listing.passed_over:
        return labelled
    places = listed([repr(name[:80]) for name in listing.passed_over])
    lost = f"{len(listing.passed_over)} entries are links to folders, or called so that nothing finds them: {places}."
    return replace(labelled, warnings=(*labelled.warnings, lost))
