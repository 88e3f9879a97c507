import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.dataset.made import data_set, photo
from training.dataset.check import Checked, check
from training.dataset.embeddings import embeddings
from training.dataset.intake import About
from training.dataset.noise import Doubt, Noise
from training.dataset.page import render
from training.dataset.twins import Pair, exact_pairs, near_pairs
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row, Split


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Six photos, one of them in train and in test, with a label that is hostile."""
    places: list[tuple[int, str, Split]] = [
        (0, "hat", "train"),
        (1, "hat", "train"),
        (2, "hat", "test"),
        (3, "<script>alert(1)</script>".replace("/", "∕"), "train"),
        (4, "cap", "train"),
        (5, "cap", "validation"),
    ]
    data_set(tmp_path, *((photo(seed), About(label, split=split, licence="cc0")) for seed, label, split in places))
    rows = manifest.require(tmp_path)
    hat = next(row for row in rows if row.split == "test")
    copy = hat.model_copy(update={"path": "hat/copy.png", "split": "train", "licence": None})
    (tmp_path / copy.path).write_bytes((tmp_path / hat.path).read_bytes())
    manifest.write(tmp_path, [*rows, copy])
    return tmp_path


def test_balance_leaks_and_licences_are_told(leaky: Path) -> None:
    found = check(leaky, judge_labels=False).to_json()
    assert found["photos"] == 7
    assert found["balance"]["hat"] == {"train": 3, "validation": 0, "test": 1, "held-out": 0, "none": 0}
    assert found["licences"] == {"cc0": 6, "unknown": 1}
    (leak,) = found["leaks"]
    assert leak["exact"] and {each["split"] for each in leak["photos"]} == {"train", "test"}
    assert found["warnings"] == ["leaks", "few_held_out"]
    assert found["digest"] == manifest.digest(manifest.require(leaky))
    assert found["label_noise"] is None
    json.dumps(found)


class Reader(HTMLParser):
    """What a page asks for, and what is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.languages: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.languages.add(found.get("lang") or "")
        self.addresses += [value for name in ("src", "href") if (value := found.get(name))]


def test_the_page_stands_alone_and_shows_the_photos(leaky: Path) -> None:
    checked = check(leaky, judge_labels=False)
    doubts = [Doubt(0, checked.rows[0].label, 0.01, "hat", 0.9)]
    page = render(Checked(leaky, checked.rows, checked.pairs, Noise(doubts, 7, ["rare"], 0.8), "network"))
    reader = Reader()
    reader.feed(page.decode())
    assert "script" not in reader.tags
    assert len(reader.addresses) == 3  # both of the leak, one in doubt
    assert all(address.startswith("data:image/jpeg;base64,") for address in reader.addresses)
    assert {"en", "zh-Hans"} <= reader.languages
    assert "泄漏" in page.decode() and "Doubtful labels" in page.decode()


def test_a_page_needs_no_photo_to_be_there(leaky: Path) -> None:
    checked = check(leaky, judge_labels=False)
    for path in leaky.rglob("*.png"):
        path.unlink()
    assert b"<img" not in render(checked)


def rows(*places: tuple[str, Split | None, str | None]) -> list[Row]:
    return [
        Row(path=f"{label}/{index}.png", sha256=f"{index:064x}", label=label, split=split, group=group)
        for index, (label, split, group) in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("places", "pairs", "warning"),
    [
        ([("a", "train", "g"), ("b", "test", "g")], [], "torn_groups"),
        ([("a", "train", None), ("b", "train", None)], [Pair(0, 1, 2, False)], "conflicts"),
        ([("a", "train", None)], [], "one_label"),
        ([("a", "train", None), ("b", None, None)], [], "no_split"),
        ([("a", None, None)] * 1 + [("b", None, None)] * 11, [], "imbalance"),
    ],
)
def test_what_stands_in_the_way_is_named(
    places: list[tuple[str, Split | None, str | None]], pairs: list[Pair], warning: str
) -> None:
    assert warning in Checked(Path(), rows(*places), pairs, None, None).warnings()


COPIES: list[tuple[str, Split | None, str | None]] = [("a", None, None), ("a", "train", None), ("a", "test", None)]


def test_copies_in_two_splits_are_a_leak_whatever_the_first_one_is() -> None:
    same = [row.model_copy(update={"sha256": "a" * 64}) for row in rows(*COPIES)]
    checked = Checked(Path(), same, list(exact_pairs(same)), None, None)
    assert [(pair.one, pair.other) for pair in checked.leaks] == [(1, 2)]


def test_every_copy_is_compared_with_what_is_nearly_the_same() -> None:
    """The first of two copies is in no split; the other one leaks."""
    found = np.random.default_rng(0).integers(0, 256, (1, 81), dtype=np.uint8).repeat(3, axis=0)
    found[:, 32] = 100  # the quality
    found[2, 0] ^= 1
    copied = rows(*COPIES)
    copied[1] = copied[1].model_copy(update={"sha256": copied[0].sha256})
    pairs = [*exact_pairs(copied), *near_pairs(found, copied)]
    checked = Checked(Path(), copied, pairs, None, None)
    assert [(pair.one, pair.other, pair.distance) for pair in checked.leaks] == [(1, 2, 1)]


def test_a_sound_data_set_has_no_warning() -> None:
    sound = rows(*[("a", None, None)] * 5, *[("b", None, None)] * 5)
    assert Checked(Path(), sound, [], Noise([], 10, [], 1.0), "network").warnings() == []


def test_too_few_photos_are_not_judged(leaky: Path) -> None:
    checked = check(leaky)
    assert (checked.noise, checked.network) == (None, None)


def test_embeddings_are_the_same_every_time_and_kept(tmp_path: Path) -> None:
    data_set(tmp_path, *((photo(seed), About("hat")) for seed in range(3)))
    listed = manifest.require(tmp_path)
    first = embeddings(tmp_path, listed, "shufflenet_v2_x0_5", "none")
    assert first.shape == (3, 1024) and first.dtype == np.float32
    assert not np.allclose(first[0], first[1])
    (kept,) = (tmp_path / ".computed").iterdir()
    kept.rename(tmp_path / "elsewhere.npz")
    assert np.array_equal(embeddings(tmp_path, listed, "shufflenet_v2_x0_5", "none"), first)
    for row in listed:
        (tmp_path / row.path).unlink()
    assert np.array_equal(embeddings(tmp_path, listed[::-1], "shufflenet_v2_x0_5", "none"), first[::-1])
