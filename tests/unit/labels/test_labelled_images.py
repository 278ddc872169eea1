"""Images that say themselves what they show: folders of classes, and Hugging Face's imagefolder metadata."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest

from labels.errors import LabelFileError
from labels.formats import imagefolder
from labels.formats.class_folders import read_class_folders
from labels.images import member_index
from labels.images.errors import ImageSourceError
from labels.images.opening import open_image_source
from labels.labelled_images import read_labelled_images

KINDS = ["folder", "zip", "tar", "tar.gz"]


def make(kind: str, folder: Path, files: dict[str, bytes | str]) -> Path:
    """A folder or an archive of files, or of nothing but their names."""
    contents = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    path = folder / ("images" if kind == "folder" else f"images.{kind}")
    match kind:
        case "folder":
            for name, data in contents.items():
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                (path / name).write_bytes(data)
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in contents.items():
                    archive.writestr(name, data)
        case _:
            with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as tar:
                for name, data in contents.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return path


def names(*paths: str) -> dict[str, bytes | str]:
    return dict.fromkeys(paths, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_is_the_label(tmp_path: Path, kind: str) -> None:
    """Each image's folder is its label, in the order of the names, in a folder as in an archive."""
    path = make(kind, tmp_path, names("cat/2.png", "dog/1.JPEG", "cat/1.png", "bird/x y.webp"))
    file = read_labelled_images(path)
    assert file.images == ["bird/x y.webp", "cat/1.png", "cat/2.png", "dog/1.JPEG"]
    assert file.given == ["bird", "cat", "cat", "dog"]
    assert (file.format, file.warnings) == ("class-folders", ())
    with open_image_source(path) as source:
        assert all(source.has(name) for name in file.images if name)


@pytest.mark.parametrize(
    "paths",
    [
        ["images/cat/1.png", "images/dog/2.png"],
        ["data/images/cat/1.png", "data/images/dog/2.png"],
        ["train/cat/1.png", "test/dog/2.png"],
        ["set/Train/cat/1.png", "set/val/dog/2.png"],
    ],
)
def test_folders_above_the_classes_do_not_matter(tmp_path: Path, paths: list[str]) -> None:
    """Folders that all images share, and the parts of a data set, are no classes."""
    assert sorted(map(str, read_labelled_images(make("zip", tmp_path, names(*paths))).given)) == ["cat", "dog"]


def test_what_is_no_image_is_left_out_and_told(tmp_path: Path) -> None:
    """Other files are counted and named, hidden ones and macOS's are not worth a word, and no row comes of them."""
    files = names("cat/1.png", "cat/notes.txt", "README.md", ".DS_Store", "cat/._1.png", "__MACOSX/cat/._1.png")
    file = read_labelled_images(make("zip", tmp_path, files))
    assert file.images == ["cat/1.png"]
    assert file.warnings == ("Files left out, as they don't end like images: 2 of 3 ('README.md', 'cat/notes.txt').",)


def test_an_image_outside_of_all_folders_has_no_label(tmp_path: Path) -> None:
    """An image beside the folders of classes keeps its row."""
    file = read_labelled_images(make("zip", tmp_path, names("stray.png", "cat/1.png")))
    assert list(zip(file.images, file.given, strict=True)) == [("cat/1.png", "cat"), ("stray.png", None)]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["cat/1.png", "dog/old/2.png"], "'cat/1.png', 'dog/old/2.png'"),
        (["cat/s1/1.png", "dog/s2/2.png"], "the class may be 'cat' or 's1'"),
        (["train/cat/1.png", "other/dog/2.png"], "the class may be 'other' or 'dog'"),
        (["1.png", "2.png"], "the images lie in no folders"),
        (["notes.txt"], "there is no image"),
        ([], "there is no image"),
        (["/".join("d" * 40) + "/1.png"], "more than 32 folders in folders"),
    ],
)
def test_folders_that_could_mean_two_things_are_refused(tmp_path: Path, paths: list[str], message: str) -> None:
    """Where it is unclear which folder is the class, nothing is guessed: the message shows two images or folders."""
    with pytest.raises((LabelFileError, ImageSourceError)) as caught:
        read_labelled_images(make("zip", tmp_path, names(*paths)))
    assert message in str(caught.value)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    """A link to a folder is told and not entered, one in circles ends, a link to an image is a row, a pipe is none."""
    folder = make("folder", tmp_path, names("cat/1.png"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "2.png").touch()
    (folder / "dog").symlink_to(tmp_path / "elsewhere")
    (folder / "cat" / "round").symlink_to(folder)
    (folder / "cat" / "self.png").symlink_to("self.png")
    (folder / "cat" / "link.png").symlink_to("1.png")
    os.mkfifo(folder / "cat" / "pipe.png")
    file = read_labelled_images(folder)
    assert file.images == ["cat/1.png", "cat/link.png", "cat/self.png"]
    assert file.warnings == (
        "3 entries are links to folders, or called so that nothing finds them: 'cat/pipe.png', 'cat/round', 'dog'.",
    )


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_outside_make_no_rows(tmp_path: Path, kind: str) -> None:
    """A class named ``..``, an absolute member, and one that climbs are told, and the others are read."""
    path = make(kind, tmp_path, names("../1.png", "cat/../../2.png", "/etc/3.png", "cat/4.png"))
    file = read_labelled_images(path)
    assert file.images == ["cat/4.png"]
    assert file.warnings[0].startswith("3 entries are links")
    assert "'../1.png'" in file.warnings[0]


def test_names_that_are_no_text_make_no_rows(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in a file's name are told and spoil nothing."""
    folder = make("folder", tmp_path, names("cat/1.png"))
    Path(os.fsdecode(os.fsencode(folder) + b"/cat/\xff.png")).touch()
    (folder / "cat" / "back\\slash.png").touch()
    file = read_labelled_images(folder)
    assert file.images == ["cat/1.png"]
    assert file.warnings[0].startswith("2 entries")
    file.warnings[0].encode()


def test_masses_of_files_and_endless_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More files than are listed, and names that fill the memory, end with what to do instead."""
    folder = make("folder", tmp_path, names("a/1.png", "a/2.png", "a/3.png"))
    monkeypatch.setattr("labels.images.folder.MAX_FILES", 2)
    with pytest.raises(ImageSourceError, match="more than 2 files: write a label file"):
        read_labelled_images(folder)
    monkeypatch.setattr(member_index, "MAX_NAME_CHARACTERS", 20)
    with pytest.raises(ImageSourceError, match="names of the archive's members are too long"):
        read_labelled_images(make("tar", tmp_path, names("a/1.png", "a/2.png", "a/3.png")))


def test_a_hundred_thousand_classes_are_read_quickly() -> None:
    """As many folders as images take time in proportion."""
    table = read_class_folders([f"class {k}/1.png" for k in range(100_000)]).table
    assert table["label"].n_unique() == 100_000


CSV = "file_name,label,text\n1.png,cat,a\n2.png,dog,b\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_metadata_among_the_images_says_the_labels(tmp_path: Path, kind: str, form: str) -> None:
    """A metadata file in any of the three formats is the label file, with all its columns; its names are beside it."""
    table = pl.DataFrame({"file_name": ["2.png", "1.png"], "label": ["dog", "cat"], "extra": ["x", "y"]})
    content = io.BytesIO()
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[form](content)
    files = names("all/1.png", "all/2.png") | {f"all/metadata.{form}": content.getvalue()}
    file = read_labelled_images(make(kind, tmp_path, files))
    assert file.images == ["all/2.png", "all/1.png"]
    assert file.given == ["dog", "cat"]
    assert file.table.to_dict(as_series=False) == table.to_dict(as_series=False)
    assert (file.format, file.warnings) == ("imagefolder", ())


def test_metadata_in_several_folders_is_one_table(tmp_path: Path) -> None:
    """The parts of a data set have a table each; a name counts below its own folder, whatever the columns' order."""
    files = names("train/a/1.png", "test/1.png") | {
        "train/metadata.jsonl": '{"file_name": "a/1.png", "label": "cat", "n": 1}\n',
        "test/metadata.jsonl": '{"label": "dog", "file_name": "1.png", "n": null}\n',
    }
    file = read_labelled_images(make("zip", tmp_path, files))
    assert list(zip(file.images, file.given, strict=True)) == [("test/1.png", "dog"), ("train/a/1.png", "cat")]
    assert file.table["n"].to_list() == [None, 1]


def test_columns_of_metadata_are_found_and_named(tmp_path: Path) -> None:
    """Its label may be called something else; ``file_name`` names the images even beside another usual name."""
    content = "file_name,image,kind,class\n1.png,x,cat,pet\n"
    path = make("zip", tmp_path, {"metadata.csv": content, "1.png": b""})
    file = read_labelled_images(path)
    assert (file.label_column, file.image_column, file.given) == ("class", "file_name", ["pet"])
    assert read_labelled_images(path, label_column="kind").given == ["cat"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"metadata.csv": "file_name,caption\n1.png,a cat\n"}, "there is no column 'label'"),
        ({"metadata.csv": "file_name,label\n1.png\n"}, "metadata.csv: row 1 (line 2) has 1 cell,"),
        ({"a/metadata.csv": CSV, "b/metadata.csv": "file_name,label\n1.png,x\n"}, "b/metadata.csv has other columns"),
        ({"metadata.parquet": "no"}, "metadata.parquet: the file is not a Parquet file"),
        (
            {"a/metadata.jsonl": '{"label": "a", "x": 1}', "b/metadata.jsonl": '{"label": "a", "x": "s"}'},
            "the column 'x' holds different kinds",
        ),
        ({"metadata.csv": "file_name,label\n"}, "there are no rows"),
    ],
)
def test_metadata_that_can_not_be_used_is_named(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """What is wrong is told with the table's place among the images, and the folders are not guessed at instead."""
    with pytest.raises(LabelFileError) as caught:
        read_labelled_images(make("zip", tmp_path, names("cat/1.png") | files))
    assert str(caught.value).startswith("images.zip: ")
    assert message in str(caught.value)


def test_metadata_names_lead_nowhere_else(tmp_path: Path) -> None:
    """A ``file_name`` that climbs out of the images is the name of nothing, as it stands in any label file."""
    (tmp_path / "secret.png").write_bytes(b"secret")
    content = "file_name,label\n../secret.png,a\n/etc/passwd,b\n../images/1.png,c\n"
    folder = make("folder", tmp_path, names("sub/1.png") | {"sub/metadata.csv": content})
    file = read_labelled_images(folder)
    with open_image_source(folder) as source:
        assert [source.has(name) for name in file.images if name] == [False, False, False]


def test_a_flood_of_metadata_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither many tables nor many cells in all get through by being spread over folders."""
    files: dict[str, bytes | str] = {f"{k}/metadata.csv": CSV for k in range(4)}
    path = make("zip", tmp_path, files)
    monkeypatch.setattr(imagefolder, "MAX_TEXT_CELLS", 15)
    with pytest.raises(LabelFileError, match="more than 15 cells"):
        read_labelled_images(path)
    monkeypatch.setattr(imagefolder, "_MOST_TABLES", 3)
    with pytest.raises(LabelFileError, match="4 metadata files, at most 3"):
        read_labelled_images(path)
