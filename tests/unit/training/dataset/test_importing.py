import hashlib
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from tests.unit.training.dataset.made import folders, photo
from tests.unit.training.dataset.server import serving
from training.dataset import archive, importing
from training.dataset.importing import import_folder, import_in_place, import_torchvision, import_zip
from training.dataset.intake import About
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError

ALL = About("", licence="cc0", creator="me")


def test_a_folder_is_copied_and_left_as_it_was(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", {"hat": 2, "红色": 1})
    (source / "hat" / "notes.txt").write_text("no photo", encoding="utf-8")
    (source / "loose.png").write_bytes(photo(9))
    before = sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*"))
    result = import_folder(tmp_path / "data", source, ALL)
    assert (result.new, result.known) == (3, 0)
    assert [name for name, _ in result.left_out] == ["loose.png", "hat/notes.txt"]
    assert sorted((path, path.stat().st_mtime_ns) for path in source.rglob("*")) == before
    rows = manifest.require(tmp_path / "data")
    assert sorted(row.label for row in rows) == ["hat", "hat", "红色"]
    assert {row.origin for row in rows} == {"source/hat/0.png", "source/hat/1.png", "source/红色/0.png"}
    assert {(row.licence, row.creator, row.split) for row in rows} == {("cc0", "me", None)}
    assert import_folder(tmp_path / "data", source, ALL).known == 3


def test_splits_are_kept(tmp_path: Path) -> None:
    for split in ("train", "val"):
        folders(tmp_path / "source" / split, {"hat": 1 + (split == "val")})
    import_folder(tmp_path / "data", tmp_path / "source", ALL)
    rows = manifest.require(tmp_path / "data")
    # A photo that is in both is a leak, which must not be settled unseen.
    assert sorted(str(row.split) for row in rows) == ["train", "validation", "validation"]
    assert len({row.sha256 for row in rows}) == 2
    assert len({row.path for row in rows}) == 3
    assert import_folder(tmp_path / "data", tmp_path / "source", ALL).known == 3


def test_a_data_set_brings_its_manifest(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", {"hat": 2})
    import_in_place(source, ALL)
    rows = [row.model_copy(update={"label": "cap", "split": "test"}) for row in manifest.require(source)]
    manifest.write(source, rows)
    import_folder(tmp_path / "data", source, About("", licence="other"))
    assert {(row.label, row.split, row.licence) for row in manifest.require(tmp_path / "data")} == {
        ("cap", "test", "cc0")
    }


def test_a_manifest_is_made_in_place(tmp_path: Path) -> None:
    folders(tmp_path, {"hat": 2, "cap": 1})
    (tmp_path / "cap" / "broken.png").write_bytes(photo(5)[:200])
    result = import_in_place(tmp_path, ALL)
    assert result.new == 3
    assert [name for name, _ in result.left_out] == ["cap/broken.png"]
    rows = manifest.require(tmp_path)
    assert [row.path for row in rows] == ["cap/0.png", "hat/0.png", "hat/1.png"]
    manifest.write(tmp_path, [rows[0].model_copy(update={"label": "hat"}), rows[1]])
    again = import_in_place(tmp_path, ALL)
    assert again.new == 1
    assert {row.path: row.label for row in manifest.require(tmp_path)}["cap/0.png"] == "hat"


@pytest.mark.parametrize("where", [".", "inner"])
def test_a_folder_is_not_imported_into_itself(tmp_path: Path, where: str) -> None:
    folders(tmp_path / "data", {"hat": 1})
    with pytest.raises(TwinlensError) as caught:
        import_folder(tmp_path / "data" / where, tmp_path / "data", ALL)
    assert caught.value.code == "invalid_arguments"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match="no folder"):
        import_folder(tmp_path / "data", tmp_path / "none", ALL)


def test_pipes_and_films_are_not_read(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", {"hat": 1})
    os.mkfifo(source / "hat" / "pipe.png")
    with (source / "hat" / "film.mp4").open("wb") as film:
        film.truncate(1 << 40)
    result = import_folder(tmp_path / "data", source, ALL)
    assert result.new == 1
    assert [name for name, _ in result.left_out] == ["hat/film.mp4", "hat/pipe.png"]


def test_a_name_that_is_not_utf_8_is_taken_in(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", {"hat": 1})
    (source / "hat" / "0.png").rename(source / "hat" / os.fsdecode(b"caf\xe9.png"))
    assert import_folder(tmp_path / "data", source, ALL).new == 1
    assert [row.origin for row in manifest.require(tmp_path / "data")] == ["source/hat/caf\\xe9.png"]


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


@pytest.mark.parametrize("top", ["", "all/", "a/b/"])
def test_an_archive_is_read_within_its_folder(tmp_path: Path, top: str) -> None:
    files = {f"{top}hat/1.png": photo(1), f"{top}cap/x/2.jpg": photo(2, "JPEG"), f"{top}.DS_Store": b"x"}
    result = import_zip(tmp_path / "data", zipped(tmp_path / "made.zip", files), ALL)
    assert (result.new, result.left_out) == (2, [])
    rows = manifest.require(tmp_path / "data")
    assert sorted((row.label, row.origin) for row in rows) == [
        ("cap", f"made.zip/{top}cap/x/2.jpg"),
        ("hat", f"made.zip/{top}hat/1.png"),
    ]


def test_splits_in_an_archive_are_kept(tmp_path: Path) -> None:
    files = {"train/hat/1.png": photo(1), "Val/hat/2.png": photo(2), "readme/a/b.txt": b"x", "train/3.png": photo(3)}
    result = import_zip(tmp_path / "data", zipped(tmp_path / "made.zip", files), ALL)
    assert sorted(name for name, _ in result.left_out) == ["readme/a/b.txt", "train/3.png"]
    assert sorted(str(row.split) for row in manifest.require(tmp_path / "data")) == ["train", "validation"]


def test_an_archive_of_train_alone_is_train(tmp_path: Path) -> None:
    import_zip(tmp_path / "data", zipped(tmp_path / "made.zip", {"train/hat/1.png": photo(1)}), ALL)
    assert [(row.split, row.label) for row in manifest.require(tmp_path / "data")] == [("train", "hat")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../evil/1.png", "leads out"),
        ("/etc/evil/1.png", "leads out"),
        ("hat/../../1.png", "leads out"),
        ("..\\evil\\1.png", "leads out"),
        ("C:/evil/1.png", "leads out"),
        ("a\tb/1.png", "control character"),
    ],
)
def test_names_that_are_tricks_lead_nowhere(tmp_path: Path, name: str, reason: str) -> None:
    files = {name: photo(1), "hat/2.png": photo(2)}
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    result = import_zip(inner / "data", zipped(inner / "made.zip", files), ALL)
    assert [reason in why for _, why in result.left_out] == [True]
    listed = {Path(row.path).name for row in manifest.require(inner / "data")}
    assert {path.name for path in tmp_path.rglob("*.png")} == listed
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as made:
        link = zipfile.ZipInfo("hat/1.png")
        link.external_attr = 0o120777 << 16
        made.writestr(link, "/etc/passwd")
    result = import_zip(tmp_path / "data", tmp_path / "made.zip", ALL)
    assert result.left_out == [("hat/1.png", "it is a link")]


def test_what_grows_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "made.zip", {"hat/1.png": bytes(50 << 20), "hat/2.png": photo(2)}, zipfile.ZIP_DEFLATED)
    read: list[str] = []
    real = archive.unpacked
    monkeypatch.setattr(
        "training.dataset.importing.unpacked", lambda made, info: read.append(info.filename) or real(made, info)
    )
    result = import_zip(tmp_path / "data", path, ALL)
    assert "200 times" in result.left_out[0][1]
    assert read == ["hat/2.png"]


def test_a_size_that_is_a_lie_is_found(tmp_path: Path) -> None:
    """The headers say 1 kB, and 10 MB of zeros come out."""
    path = zipped(tmp_path / "made.zip", {"hat/1.png": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    data = path.read_bytes().replace(struct.pack("<I", 10_000_000), struct.pack("<I", 1000))
    path.write_bytes(data)
    result = import_zip(tmp_path / "data", path, ALL)
    assert result.new == 0 and len(result.left_out) == 1


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_may_grow_in_one_step_is_not_unpacked(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "made.zip", {"hat/1.png": photo(1)}, method)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("hat/2.png", photo(2), zipfile.ZIP_DEFLATED)
    result = import_zip(tmp_path / "data", path, ALL)
    assert result.new == 1
    assert result.left_out == [("hat/1.png", "it is packed in another way than stored or deflated")]


def test_a_damaged_entry_is_left_out(tmp_path: Path) -> None:
    files = {"hat/1.png": photo(1), "hat/2.png": photo(2)}
    path = zipped(tmp_path / "made.zip", files, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(bytes(data))
    result = import_zip(tmp_path / "data", path, ALL)
    assert result.new == 1
    assert [name for name, _ in result.left_out] == ["hat/1.png"]


def test_an_entry_without_a_name_is_left_out(tmp_path: Path) -> None:
    result = import_zip(tmp_path / "data", zipped(tmp_path / "made.zip", {".": b"1", "hat/2.png": photo(2)}), ALL)
    assert (result.new, result.left_out) == (1, [(".", "it has no name")])


def test_an_encrypted_entry_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "made.zip", {"hat/1.png": photo(1)})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    assert import_zip(tmp_path / "data", path, ALL).left_out == [("hat/1.png", "it is encrypted")]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no", b"no archive"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "made.zip").write_bytes(data)
    with pytest.raises(TwinlensError, match="ZIP") as caught:
        import_zip(tmp_path / "data", tmp_path / "made.zip", ALL)
    assert caught.value.code == "invalid_data"


def test_names_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "made.zip", {"hüt/1.png": photo(1)})
    path.write_bytes(path.read_bytes().replace("hüt".encode(), b"h\xff\xfet"))
    with pytest.raises(TwinlensError, match="ZIP") as caught:
        import_zip(tmp_path / "data", path, ALL)
    assert caught.value.code == "invalid_data"


def test_an_archive_of_a_later_version_is_an_error(tmp_path: Path) -> None:
    path = zipped(tmp_path / "made.zip", {"hat/1.png": photo(1)})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 200
    path.write_bytes(bytes(data))
    with pytest.raises(TwinlensError, match="version") as caught:
        import_zip(tmp_path / "data", path, ALL)
    assert caught.value.code == "invalid_data"


@pytest.mark.parametrize(("stored", "label"), [("帽子".encode(), "帽子"), ("hüt".encode("cp437"), "hüt")])
def test_names_that_do_not_say_their_encoding_are_read(tmp_path: Path, stored: bytes, label: str) -> None:
    """Finder writes UTF-8 without the flag for it, old programs on Windows write CP437."""
    path = zipped(tmp_path / "made.zip", {f"{'x' * len(stored)}/1.png": photo(1)})
    path.write_bytes(path.read_bytes().replace(b"x" * len(stored) + b"/", stored + b"/"))
    assert import_zip(tmp_path / "data", path, ALL).new == 1
    (row,) = manifest.require(tmp_path / "data")
    assert (row.label, row.origin) == (label, f"made.zip/{label}/1.png")


def test_a_name_that_cannot_be_listed_is_left_out(tmp_path: Path) -> None:
    folders(tmp_path, {"hat": 2})
    (tmp_path / "hat" / "1.png").rename(tmp_path / "hat" / "a\\b.png")
    result = import_in_place(tmp_path, ALL)
    assert (result.new, [name for name, _ in result.left_out]) == (1, ["hat/a\\b.png"])
    assert "rename it" in result.left_out[0][1]
    assert [row.path for row in manifest.require(tmp_path)] == ["hat/0.png"]


def test_of_a_data_set_what_is_not_listed_so_is_left_out_and_reviews_stay(tmp_path: Path) -> None:
    source = folders(tmp_path / "source", {"hat": 2})
    import_in_place(source, ALL)
    rows = [row.model_copy(update={"reviewed": "2026-11-27T00:00:00+00:00"}) for row in manifest.require(source)]
    manifest.write(source, rows)
    (source / "hat" / "0.png").write_bytes(photo(9))
    result = import_folder(tmp_path / "data", source, ALL)
    assert [name for name, _ in result.left_out] == ["hat/0.png"]
    assert [(row.sha256, row.reviewed) for row in manifest.require(tmp_path / "data")] == [
        (rows[1].sha256, rows[1].reviewed)
    ]


def test_photos_in_memory_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "_BYTES_AT_ONCE", 10)
    items = [importing.Item(str(size), ALL, bytes, size) for size in (4, 4, 4, 30, 10, 1)]
    blocks = [[item.size for item in block] for block in importing._blocks(iter(items))]
    assert blocks == [[4, 4], [4], [30], [10], [1]]
    assert [len(block) for block in importing._blocks([items[0]._replace(size=0)] * 130)] == [64, 64, 2]


def test_a_file_of_too_many_bytes_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_BYTES", 5000)
    source = folders(tmp_path / "source", {"hat": 1})
    (source / "hat" / "small.png").write_bytes(photo(5, edge=16))
    result = import_folder(tmp_path / "data", source, ALL)
    assert [name for name, _ in result.left_out] == ["hat/0.png"] and "larger than" in result.left_out[0][1]
    assert result.new == 1


def mnist(root: Path, count: int) -> None:
    """Files of MNIST's own format, where torchvision looks for them."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, first in (("train", 0), ("t10k", 100)):
        pixels = np.random.default_rng(first).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + bytes(range(count)))


def test_a_torchvision_data_set_is_taken_in_without_loss(tmp_path: Path) -> None:
    mnist(tmp_path / "downloads", 4)
    result = import_torchvision(tmp_path / "data", "MNIST", ALL, tmp_path / "downloads")
    assert (result.new, result.left_out) == (8, [])
    rows = manifest.require(tmp_path / "data")
    assert sorted({row.label for row in rows}) == ["0 - zero", "1 - one", "2 - two", "3 - three"]
    assert sorted(str(row.split) for row in rows) == ["test"] * 4 + ["train"] * 4
    row = next(row for row in rows if row.origin == "torchvision:MNIST/test/2")
    expected = torchvision.datasets.MNIST(str(tmp_path / "downloads"), train=False)[2][0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "data" / row.path)), np.asarray(expected))


def test_torchvision_downloads_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 by torchvision's own code, of an archive that is made here and served as torchvision's would be."""
    cifar = torchvision.datasets.CIFAR10
    rng = np.random.default_rng(0)
    names = [name for name, _ in cifar.train_list + cifar.test_list]
    packed, digests = io.BytesIO(), {}
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        files = {
            name: pickle.dumps({"data": rng.integers(0, 256, (1, 3072), dtype=np.uint8), "labels": [index % 2]})
            for index, name in enumerate(names)
        }
        files["batches.meta"] = pickle.dumps({"label_names": ["plane", "auto/mobile"]})
        for name, data in files.items():
            info = tarfile.TarInfo(f"{cifar.base_folder}/{name}")
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
            digests[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(cifar, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    monkeypatch.setattr(cifar, "train_list", [[name, digests[name]] for name, _ in cifar.train_list])
    monkeypatch.setattr(cifar, "test_list", [[name, digests[name]] for name, _ in cifar.test_list])
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": digests["batches.meta"]})
    with serving(lambda *_: (200, {}, packed.getvalue())) as server:
        monkeypatch.setattr(cifar, "url", f"{server.url}/{cifar.filename}")
        result = import_torchvision(tmp_path / "data", "CIFAR10", ALL, tmp_path / "downloads")
    assert result.new == 6
    rows = manifest.require(tmp_path / "data")
    assert {row.label for row in rows} == {"plane", "auto-mobile"}
    assert sorted(str(row.split) for row in rows) == ["test"] + ["train"] * 5


def test_a_download_that_fails_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda *_: (404, {}, b"")) as server:
        monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{server.url}/x")
        with pytest.raises(TwinlensError) as caught:
            import_torchvision(tmp_path / "data", "CIFAR10", ALL, tmp_path / "downloads")
    assert caught.value.code == "download_failed"


@pytest.mark.parametrize("name", ["Nothing", "ImageFolder", "VisionDataset", "__all__", ""])
def test_a_data_set_that_torchvision_has_not_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TwinlensError, match="CIFAR10") as caught:
        import_torchvision(tmp_path / "data", name, ALL, tmp_path / "downloads")
    assert caught.value.code == "invalid_arguments"
