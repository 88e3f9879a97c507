import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.training.dataset.made import data_set, photo, picture
from training.dataset import twins
from training.dataset.dedupe import choose, find_duplicates
from training.dataset.intake import About
from training.dataset.twins import Pair, clusters, exact_pairs, hashes, near_pairs
from twinlens.dataset import manifest
from twinlens.dataset.kept import KEPT
from twinlens.dataset.manifest import Row, Split
from twinlens.errors import TwinlensError


def row(name: str, split: Split | None = None, label: str = "hat", sha256: str | None = None, **more: str) -> Row:
    digest = (sha256 or name).encode().hex().ljust(64, "0")[:64]
    return Row(path=f"{label}/{name}", sha256=digest, label=label, split=split, **more)


def resaved(seed: int) -> list[bytes]:
    """The same picture as people pass it on: smaller, as another format, with lower quality."""
    image = picture(seed, 256)
    files = []
    for kind, size, options in (("JPEG", 256, {"quality": 60}), ("WEBP", 200, {"quality": 80}), ("PNG", 300, {})):
        file = io.BytesIO()
        image.resize((size, size)).save(file, kind, **options)
        files.append(file.getvalue())
    return files


def sized(*pixels: int) -> list[tuple[int, int]]:
    return [(number, 1) for number in pixels]


def test_the_same_picture_is_found_in_other_sizes_and_formats(tmp_path: Path) -> None:
    photos = [photo(seed, edge=256) for seed in range(12)] + resaved(3)
    data_set(tmp_path, *((data, About("hat")) for data in photos))
    rows = manifest.require(tmp_path)
    found = list(near_pairs(hashes(tmp_path, rows), rows))
    (together,) = clusters(len(rows), found)
    expected = {photos[3], *photos[12:]}
    assert {(tmp_path / rows[index].path).read_bytes() for index in together} == expected
    assert all(0 <= pair.distance <= twins.NEAR and not pair.exact for pair in found)


def test_all_pairs_within_the_distance_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against each pair compared alone, over blocks that do not divide the number of photos."""
    monkeypatch.setattr(twins, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (3, 256), dtype=np.uint8)[rng.integers(0, 3, 40)]
    bits ^= (rng.random((40, 256)) < 0.05).astype(np.uint8)
    found = np.concatenate([np.packbits(bits, axis=1), np.full((40, 49), 100, np.uint8)], axis=1)
    found[5, 32] = 10  # too little in it
    rows = [row(f"{index}.png") for index in range(40)]
    expected = {
        (one, other): int((bits[one] != bits[other]).sum())
        for one in range(40)
        for other in range(one + 1, 40)
        if 5 not in (one, other) and (bits[one] != bits[other]).sum() <= 20
    }
    assert len(expected) > 20
    assert {(pair.one, pair.other): pair.distance for pair in near_pairs(found, rows, 20)} == expected


def test_a_blank_picture_is_near_to_nothing(tmp_path: Path) -> None:
    blanks = []
    for edge in (100, 120):
        file = io.BytesIO()
        Image.new("RGB", (edge, edge), (250, 250, 250)).save(file, "PNG")
        blanks.append(file.getvalue())
    rows = data_set(tmp_path, *((data, About("hat")) for data in blanks))
    assert list(near_pairs(hashes(tmp_path, rows), rows)) == []


def test_the_same_shape_in_another_colour_is_another_picture(tmp_path: Path) -> None:
    shape = np.asarray(picture(1, 256).convert("L"))
    files = []
    for order in ((0, 1), (1, 0)):
        pixels = np.stack([shape // 2 + 120 * order[0], shape // 2, shape // 2 + 120 * order[1]], axis=2)
        file = io.BytesIO()
        # As bright as the other: red counts for 0.299, blue for 0.114, which the green makes up for.
        pixels[..., 1] += 38 * order[1]
        Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    rows = data_set(tmp_path, *((data, About("hat")) for data in files))
    found = hashes(tmp_path, rows)
    assert (np.unpackbits(found[0, :32]) != np.unpackbits(found[1, :32])).sum() <= twins.NEAR
    assert list(near_pairs(found, rows)) == []


def test_fingerprints_are_computed_once(tmp_path: Path) -> None:
    rows = data_set(tmp_path, (photo(1), About("hat")), (photo(2), About("hat")))
    first = hashes(tmp_path, rows)
    for each in rows:
        (tmp_path / each.path).write_bytes(b"")
    assert np.array_equal(hashes(tmp_path, rows[::-1]), first[::-1])
    next((tmp_path / KEPT).iterdir()).write_bytes(b"damaged")
    with pytest.raises(TwinlensError, match="verify"):
        hashes(tmp_path, rows)


def test_the_one_in_test_is_kept_and_the_others_are_leaks() -> None:
    rows = [row("a.png", "train", sha256="x"), row("b.png", "test", sha256="x"), row("c.png", "validation", sha256="x")]
    found = choose(rows, list(exact_pairs(rows)), sized(1, 1, 1))
    assert {(twin.row.path, twin.of.path) for twin in found.set_aside} == {
        ("hat/a.png", "hat/b.png"),
        ("hat/c.png", "hat/b.png"),
    }
    assert found.leaks == 2
    assert {finding.reason for finding in found.findings()} == {"leak"}


def test_a_photo_to_learn_from_whose_twin_is_held_out_is_a_leak() -> None:
    rows = [row("a.png", "train", sha256="x"), row("b.png", "held-out", sha256="x")]
    found = choose(rows, list(exact_pairs(rows)), sized(9, 1))
    assert [(twin.row.path, twin.leak) for twin in found.set_aside] == [("hat/a.png", True)]


def test_of_one_split_licence_size_and_name_decide() -> None:
    rows = [row("a.png"), row("b.png", licence="cc0"), row("c.png", licence="cc0"), row("d.png")]
    pairs = [Pair(one, other, 3, False) for one in range(4) for other in range(one + 1, 4)]
    assert {twin.of.path for twin in choose(rows, pairs, sized(9, 1, 2, 9)).set_aside} == {"hat/c.png"}
    assert {twin.of.path for twin in choose(rows, pairs, sized(9, 1, 1, 9)).set_aside} == {"hat/b.png"}


def test_a_chain_is_not_followed() -> None:
    """The middle is near both ends, which are not near each other."""
    rows = [row("a.png"), row("b.png"), row("c.png")]
    pairs = [Pair(0, 1, 30, False), Pair(1, 2, 30, False)]
    assert [twin.row.path for twin in choose(rows, pairs, sized(9, 1, 5)).set_aside] == ["hat/b.png"]


def test_copies_of_a_near_twin_go_with_it() -> None:
    rows = [row("a.png"), row("b.png", sha256="x"), row("c.png", sha256="x")]
    found = choose(rows, [*exact_pairs(rows), Pair(0, 1, 5, False)], sized(9, 1, 1))
    assert [twin.row.path for twin in found.set_aside] == ["hat/b.png", "hat/c.png"]


def test_labels_that_differ_are_for_a_person_to_decide() -> None:
    rows = [row("a.png", "train", sha256="x"), row("b.png", "train", "cap", sha256="x")]
    found = choose(rows, list(exact_pairs(rows)), sized(1, 1))
    assert found.set_aside == []
    assert [twin.conflict for twin in found.conflicts] == [True]
    assert "'cap'" in found.conflicts[0].describe()


def test_a_leak_is_set_aside_whatever_its_label() -> None:
    rows = [row("a.png", "train", sha256="x"), row("b.png", "test", "cap", sha256="x")]
    found = choose(rows, list(exact_pairs(rows)), sized(1, 1))
    assert [twin.row.path for twin in found.set_aside] == ["hat/a.png"]
    assert found.conflicts == []


def test_only_the_same_bytes_count_if_that_is_asked_for(tmp_path: Path) -> None:
    data_set(tmp_path, *((data, About("hat")) for data in [photo(1, edge=256), *resaved(1)]))
    assert len(find_duplicates(tmp_path).set_aside) == 3
    assert find_duplicates(tmp_path, -1).set_aside == []


def test_copies_in_no_split_are_compared_with_every_other_one() -> None:
    rows = [row("a.png", sha256="a"), row("b.png", "train", sha256="a"), row("c.png", "test", sha256="a")]
    found = choose(rows, list(exact_pairs(rows)), sized(1, 1, 1))
    assert [(twin.row.path, twin.of.path, twin.leak) for twin in found.set_aside] == [
        ("hat/a.png", "hat/c.png", False),
        ("hat/b.png", "hat/c.png", True),
    ]


def test_of_one_picture_the_one_with_more_pixels_stays_though_its_file_is_smaller(tmp_path: Path) -> None:
    files = []
    for kind, size, options in (("JPEG", 256, {"quality": 40}), ("PNG", 200, {})):
        file = io.BytesIO()
        picture(3, 256).resize((size, size)).save(file, kind, **options)
        files.append(file.getvalue())
    large, small = files
    assert len(small) > len(large)
    data_set(tmp_path, *((data, About("hat")) for data in files))
    (gone,) = find_duplicates(tmp_path).set_aside
    assert (tmp_path / gone.row.path).read_bytes() == small
