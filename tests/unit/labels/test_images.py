"""Images out of folders and archives, honest and hostile."""

import io
import os
import random
import stat
import struct
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labels.images import member_limit, random_reader
from labels.images.errors import ImageSourceError, MissingImageError, UnreadableImageError
from labels.images.opening import open_image_source

FILES = {"a.png": b"first", "sub/b.png": b"second", "sub/\u00e9 x.png": b"third" * 1000}


def make_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def make(kind: str, folder: Path, files: dict[str, bytes]) -> Path:
    if kind == "folder":
        return make_folder(folder / "images", files)
    if kind == "zip":
        return make_zip(folder / "images.zip", files)
    return make_tar(folder / "images", files, "w:gz" if kind == "tar.gz" else "w")


KINDS = ["folder", "zip", "tar", "tar.gz"]
ARCHIVES = KINDS[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_reads_by_name(tmp_path: Path, kind: str) -> None:
    """An image is found by its path, also when that is written with ./ or with backslashes."""
    with open_image_source(make(kind, tmp_path, FILES)) as source:
        for name, data in FILES.items():
            assert source.read(name) == data
        assert source.read("./sub//b.png") == b"second"
        assert source.read("sub\\b.png") == b"second"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["", ".", "sub", "b.png", "../secret", "sub/../../secret", "sub/../a.png", "..\\secret", "a.png\0", "C:\\a.png"],
)
def test_no_way_out(tmp_path: Path, kind: str, name: str) -> None:
    """Names that lead outside, to a folder or to nothing are answered like any image that isn't there."""
    (tmp_path / "secret").write_bytes(b"secret")
    with open_image_source(make(kind, tmp_path, FILES)) as source, pytest.raises(ImageSourceError) as caught:
        source.read(name)
    assert isinstance(caught.value, MissingImageError) or name == "sub"  # which is there, but is a folder


@pytest.mark.parametrize("kind", KINDS)
def test_absolute_names(tmp_path: Path, kind: str) -> None:
    """An absolute path is never read, even where it names a file inside the folder."""
    path = make(kind, tmp_path, FILES)
    (tmp_path / "secret").write_bytes(b"secret")
    with open_image_source(path) as source:
        for name in [str(tmp_path / "secret"), str(path / "a.png"), "/a.png", "x" * 5000]:
            with pytest.raises(MissingImageError):
                source.read(name)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_hostile_member_names(tmp_path: Path, kind: str) -> None:
    """Members named to climb out are out of reach, and spoil nothing for the others."""
    names = ["../up.png", "/abs.png", "x/../../up.png", "ok.png"]
    with open_image_source(make(kind, tmp_path, dict.fromkeys(names, b"data"))) as source:
        assert source.read("ok.png") == b"data"
        for name in names[:3]:
            with pytest.raises(MissingImageError):
                source.read(name)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_single_top_folder_may_be_left_out(tmp_path: Path, kind: str) -> None:
    """An archive of one folder works with names that leave the folder out, as long as that is unambiguous."""
    one = {"photos/a.png": b"a", "photos/x/b.png": b"b", "__MACOSX/photos/._a.png": b"?"}
    with open_image_source(make(kind, tmp_path, one)) as source:
        assert source.read("a.png") == source.read("photos/a.png") == b"a"
        assert source.read("x/b.png") == b"b"
    with open_image_source(make(kind, tmp_path, one | {"other.txt": b""})) as source:
        assert source.read("photos/a.png") == b"a"
        with pytest.raises(MissingImageError):
            source.read("a.png")


def test_folder_links(tmp_path: Path) -> None:
    """A link inside the folder works, one that leads out or in circles is refused."""
    folder = make_folder(tmp_path / "images", FILES)
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "inside.png").symlink_to("sub/b.png")
    (folder / "outside.png").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    with open_image_source(folder) as source:
        assert source.read("inside.png") == b"second"
        for name in ["outside.png", "up/secret"]:
            with pytest.raises(UnreadableImageError, match="leads out"):
                source.read(name)
        with pytest.raises(MissingImageError):
            source.read("loop")


def test_folder_devices(tmp_path: Path) -> None:
    """A pipe in the folder is refused at once instead of being waited for."""
    folder = make_folder(tmp_path / "images", FILES)
    os.mkfifo(folder / "pipe.png")
    with open_image_source(folder) as source, pytest.raises(UnreadableImageError, match="not a regular file"):
        source.read("pipe.png")


def test_archive_links(tmp_path: Path) -> None:
    """Links and devices in an archive are refused by what they are."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in [("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("dev", tarfile.CHRTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with open_image_source(tmp_path / "a.tar") as source:
        for name in ["sym", "hard", "dev"]:
            with pytest.raises(UnreadableImageError, match="link or a device"):
                source.read(name)
    link = zipfile.ZipInfo("sym")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with open_image_source(tmp_path / "a.zip") as source, pytest.raises(UnreadableImageError, match="is a link"):
        source.read("sym")


@pytest.mark.parametrize("kind", KINDS)
def test_too_large_images(tmp_path: Path, kind: str) -> None:
    """An image file above the limit is refused alone."""
    files = {"big.png": bytes(member_limit.MAX_IMAGE_BYTES + 1), "ok.png": b"ok"}
    with open_image_source(make(kind, tmp_path, files)) as source:
        with pytest.raises(UnreadableImageError, match="larger than 64 MiB"):
            source.read("big.png")
        assert source.read("ok.png") == b"ok"


def test_zip_header_that_lies(tmp_path: Path) -> None:
    """A member that says it is small and unpacks to more than the limit is stopped while it unpacks."""
    path = make_zip(tmp_path / "a.zip", {"bomb.png": bytes(member_limit.MAX_IMAGE_BYTES * 2)})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", member_limit.MAX_IMAGE_BYTES * 2), struct.pack("<I", 1000)))
    with open_image_source(path) as source, pytest.raises(UnreadableImageError):
        source.read("bomb.png")


def test_zip_names_that_are_no_text(tmp_path: Path) -> None:
    """A member whose own header bears another name, one that is not even text, is unreadable, and no crash."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ä.png", b"x")
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"\xa2\xa2", 1))
    with open_image_source(path) as source, pytest.raises(UnreadableImageError, match="damaged"):
        source.read("ä.png")


def test_zip_oddities(tmp_path: Path) -> None:
    """Encrypted members, other compressions and damaged members are refused alone, saying how to zip instead."""
    path = make_zip(tmp_path / "a.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with open_image_source(path) as source:
        with pytest.raises(UnreadableImageError, match="password"):
            source.read("a.png")
        assert source.read("sub/b.png") == b"second"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.png", b"x")
    with open_image_source(path) as source, pytest.raises(UnreadableImageError, match="deflate"):
        source.read("a.png")
    data = bytearray(make_zip(path, {"a.png": bytes(range(256)) * 9}).read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with open_image_source(path) as source, pytest.raises(UnreadableImageError, match="damaged"):
        source.read("a.png")


@pytest.mark.parametrize("kind", ARCHIVES)
def test_cut_and_damaged_archives(tmp_path: Path, kind: str) -> None:
    """An archive that is cut or damaged anywhere is read or refused with a clear error, and nothing else comes out."""
    whole = make(kind, tmp_path, FILES).read_bytes()
    path = tmp_path / "broken"
    rng = random.Random(5)
    for attempt in range(150):
        damaged = bytearray(whole)
        if attempt % 3 == 0:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            with open_image_source(path) as source:
                for name in FILES:
                    try:
                        source.read(name)
                    except ImageSourceError:
                        continue
        except ImageSourceError:
            continue


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_truncated_tar_is_told(tmp_path: Path, kind: str) -> None:
    """A tar file that lost its end is refused as a whole: its missing images would look as if never sent."""
    path = make(kind, tmp_path, {f"{i}.png": random.Random(i).randbytes(5000) for i in range(20)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageSourceError, match=r"cut short|damaged"):
        open_image_source(path)


def test_negative_tar_size(tmp_path: Path) -> None:
    """A tar header with a negative size, which sends naive readers round in circles, is refused."""
    header = bytearray(tarfile.TarInfo("a.png").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ImageSourceError):
        open_image_source(tmp_path / "a.tar")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x1f\x8b nonsense", b"PK\x03\x04 nonsense", bytes(2000)])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    """Any other file is refused, saying what is accepted or what is wrong."""
    path = tmp_path / "upload"
    path.write_bytes(data)
    with pytest.raises(ImageSourceError, match="upload"):
        open_image_source(path)
    with pytest.raises(ImageSourceError, match="No such file"):
        open_image_source(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS)
def test_threads(tmp_path: Path, kind: str) -> None:
    """Several threads reading in any order each get their own images."""
    rng = random.Random(1)
    files = {f"{i % 7}/{i}.png": rng.randbytes(rng.randrange(1, 60_000)) for i in range(300)}
    names = rng.sample(list(files), len(files)) * 2
    with open_image_source(make(kind, tmp_path, files)) as source, ThreadPoolExecutor(6) as pool:
        assert list(pool.map(source.read, names)) == [files[name] for name in names]


def test_gzip_random_access_is_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a gzipped tar backwards costs no more than a few times reading it forwards, also with few checkpoints."""
    monkeypatch.setattr(random_reader, "_CHECKPOINT_EVERY", 2**18)
    monkeypatch.setattr(random_reader, "_MAX_CHECKPOINTS", 40)
    files = {f"{i}.png": random.Random(i).randbytes(30_000) for i in range(800)}
    with open_image_source(make("tar.gz", tmp_path, files)) as source:
        started = time.perf_counter()
        for name in reversed(files):
            assert source.read(name) == files[name]
        assert time.perf_counter() - started < 20


def test_gzip_in_several_parts(tmp_path: Path) -> None:
    """A tar.gz made of several gzip parts with zeros behind, as parallel compressors write them, is read whole."""
    import gzip

    data = make_tar(tmp_path / "a", FILES).read_bytes()
    parts = [gzip.compress(data[start : start + 700]) for start in range(0, len(data), 700)]
    (tmp_path / "b").write_bytes(b"".join(parts) + bytes(100))
    with open_image_source(tmp_path / "b") as source:
        assert {name: source.read(name) for name in FILES} == FILES
