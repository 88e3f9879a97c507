"""A folder of whatever people have, through the commands as README gives them: it works, or is one sentence."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.images import encoded
from tests.unit.training.pictures import label_folders, picture
from training import checkpoint
from training.cli import main
from training.run import load

GREEN = (60, 180, 60)
TINY = ["--arch", "shufflenet_v2_x0_5", "--init", "none", "--epochs", "1", "--image-size", "32", "--train-size", "32"]


def odd_folder(root: Path) -> Path:
    """Two labels of common photos, one of 3, and one of everything that cameras, scanners and people make."""
    label_folders(root, 10, ["红色 的衣服", 'l\'été & "co" | 50 %'])
    label_folders(root, 3, ["rare"])
    label_folders(root, 8, ["vert"])
    folder = root / "vert"
    deeper = folder / "2024" / "旅行 2"
    deeper.mkdir(parents=True)
    photo = picture(GREEN, 100)
    grey = photo.convert("L")
    files = {
        "grey 灰.JPG": encoded(grey, "JPEG"),
        "print.JPEG": encoded(photo.convert("CMYK"), "JPEG"),
        "scan.TIF": encoded(photo, "TIFF", compression="tiff_lzw"),
        "sixteen bit.PNG": encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG"),
        "see-through.webp": encoded(photo.convert("RGBA"), "WEBP"),
        "moving.gif": encoded(photo, "GIF", save_all=True, append_images=[picture(GREEN, 101)]),
        "no extension": encoded(picture(GREEN, 102), "JPEG"),
        "2024/旅行 2/nested.jpg": encoded(picture(GREEN, 103), "JPEG"),
        "wide.png": encoded(picture(GREEN, 104, (2000, 3)), "PNG"),
        "tall.jpg": encoded(picture(GREEN, 105, (3, 2000)), "JPEG"),
        "one pixel.png": encoded(Image.new("RGB", (1, 1), GREEN), "PNG"),
        "large.jpg": encoded(picture(GREEN, 106, (2400, 1800)), "JPEG"),
        "cut off 5.jpg": encoded(picture(GREEN, 107), "JPEG")[:700],
        ".hidden.jpg": encoded(photo, "JPEG"),
        "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(600),
        "film.mp4": b"\0\0\0\x20ftypisom" + bytes(600),
        "photo.HEIC": b"\0\0\0\x18ftypheic" + bytes(64),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for number in range(3):
        shutil.copy(folder / "print.JPEG", folder / f"print ({number}).JPEG")
    (folder / "empty").mkdir()
    (folder / "round").symlink_to(root)
    (folder / "link.jpg").symlink_to(Path("2024", "旅行 2", "nested.jpg"))
    (root / "read me.txt").write_text("photos of mine")
    return root


@pytest.mark.parametrize("memory", ["4096", "0"])
def test_a_folder_of_everything_is_learned_from_and_measured(
    tmp_path: Path, memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, run = odd_folder(tmp_path / "我的 photos"), tmp_path / "my run"
    assert main(["train", str(photos), "--out", str(run), "--memory-mib", memory, *TINY]) == 0
    said = capsys.readouterr().out
    for name in ("cut off 5.jpg", "Thumbs.db", "film.mp4", "photo.HEIC", "round", "read me.txt"):
        assert f"{name}: " in said
    assert ("fit --memory-mib" in said) == (memory == "0")
    record = load(run)
    assert len(record.left_out) == 6
    assert record.counts == {"train": 37, "validation": 5, "test": 5}
    assert main(["evaluate", str(run), "--split", "test", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert {label: found["n"] for label, found in measured["per_label"].items()} == {
        **{'l\'été & "co" | 50 %': 1, "rare": 1, "vert": 2, "红色 的衣服": 1}
    }


def test_a_run_hangs_neither_on_memory_nor_on_workers(tmp_path: Path) -> None:
    photos = label_folders(tmp_path / "photos", 8)
    for memory, workers in (("4096", "0"), ("0", "2")):
        out = tmp_path / memory
        assert main(["train", str(photos), "--out", str(out), "--memory-mib", memory, "--workers", workers, *TINY]) == 0
    held, read_anew = (checkpoint.load_best(tmp_path / memory) for memory in ("4096", "0"))
    assert all(torch.equal(held[name], read_anew[name]) for name in held)


def test_a_hundred_labels_of_three_photos(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / "photos" / f"label {number}").mkdir(parents=True)
        for index in range(3):
            image = Image.new("RGB", (12, 8), (2 * number, 80 * index, 255 - 2 * number))
            image.save(tmp_path / "photos" / f"label {number}" / f"{index}.png")
    assert main(["train", str(tmp_path / "photos"), "--out", str(tmp_path / "run"), *TINY]) == 0
    record = load(tmp_path / "run")
    assert (len(record.labels), record.counts) == (100, {"train": 100, "validation": 100, "test": 100})


def test_what_cannot_be_learned_from_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = label_folders(tmp_path / "photos")
    label_folders(photos, 2, ["rare"])
    assert main(["train", str(photos), "--out", str(tmp_path / "run"), *TINY]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(
        "error [invalid_data]: The label 'rare' has 2 photos; to split it into train, validation and test it needs at "
        "least 3: add some or remove the label."
    )
    assert not os.path.lexists(tmp_path / "run")
