import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.training.dataset.made import data_set, photo
from training.dataset.intake import About
from training.dataset.split import divide, grouped, split
from training.dataset.twins import Pair
from twinlens.dataset import manifest
from twinlens.dataset.manifest import Row, Split
from twinlens.errors import TwinlensError

TENTHS: dict[Split, float] = {"validation": 0.1, "test": 0.1}


def made(counts: dict[str, int]) -> list[Row]:
    return [
        Row(path=f"{label}/{index}.png", sha256=f"{number:032x}{index:032x}", label=label)
        for number, (label, count) in enumerate(counts.items())
        for index in range(count)
    ]


def placed(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    counts = Counter((row.label, str(row.split)) for row in rows)
    labels = {row.label for row in rows}
    return {label: {name: counts[label, name] for name in ("train", "validation", "test")} for label in labels}


def test_each_label_is_divided_in_proportion() -> None:
    found = placed(divide(made({"hat": 100, "cap": 40, "shoe": 5, "rare": 3}), [], 0, TENTHS, False))
    assert found == {
        "hat": {"train": 80, "validation": 10, "test": 10},
        "cap": {"train": 32, "validation": 4, "test": 4},
        "shoe": {"train": 3, "validation": 1, "test": 1},
        "rare": {"train": 1, "validation": 1, "test": 1},
    }


def test_two_photos_are_not_held_out() -> None:
    assert placed(divide(made({"hat": 2}), [], 0, TENTHS, False)) == {"hat": {"train": 2, "validation": 0, "test": 0}}


@pytest.mark.parametrize(("part", "expected"), [(0.0, 0), (0.25, 25), (0.5, 50)])
def test_parts_are_what_is_asked_for(part: float, expected: int) -> None:
    found = placed(divide(made({"hat": 100}), [], 0, {"validation": 0.1, "test": part}, False))
    assert found["hat"]["test"] == expected


def test_photos_and_seed_alone_decide() -> None:
    rows = made({"hat": 50, "cap": 50})
    first = {row.sha256: row.split for row in divide(rows, [], 1, TENTHS, False)}
    renamed = [row.model_copy(update={"path": f"{row.label}/x{number}.png"}) for number, row in enumerate(rows[::-1])]
    assert {row.sha256: row.split for row in divide(renamed, [], 1, TENTHS, False)} == first
    assert {row.sha256: row.split for row in divide(rows, [], 2, TENTHS, False)} != first


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_kept_together_across_labels(seed: int) -> None:
    rows = [
        row.model_copy(update={"group": f"person {index % 23}"})
        for index, row in enumerate(made({"hat": 80, "cap": 60}))
    ]
    divided = divide(rows, [], seed, TENTHS, False)
    places: dict[str, set[str]] = {}
    for row in divided:
        places.setdefault(str(row.group), set()).add(str(row.split))
    assert {len(found) for found in places.values()} == {1}
    for counts in placed(divided).values():
        total = sum(counts.values())
        assert 0.04 <= counts["test"] / total <= 0.2
        assert 0.04 <= counts["validation"] / total <= 0.2


def test_large_groups_alone_are_held_out_where_there_are_enough() -> None:
    rows = [row.model_copy(update={"group": str(index % 3)}) for index, row in enumerate(made({"hat": 60}))]
    assert placed(divide(rows, [], 0, TENTHS, False)) == {"hat": {"train": 20, "validation": 20, "test": 20}}


def test_twins_are_kept_together() -> None:
    rows = made({"hat": 40})
    pairs = [Pair(index, index + 1, 3, False) for index in range(0, 40, 2)]
    divided = divide(rows, pairs, 0, TENTHS, False)
    assert all(divided[pair.one].split == divided[pair.other].split for pair in pairs)
    assert placed(divided) == {"hat": {"train": 32, "validation": 4, "test": 4}}


def test_what_has_a_split_keeps_it() -> None:
    rows = divide(made({"hat": 50}), [], 0, TENTHS, False)
    more = rows + [row.model_copy(update={"path": f"hat/new {row.path[4:]}"}) for row in made({"x": 1, "hat": 50})[1:]]
    more = [*rows, *(row.model_copy(update={"split": None}) for row in more[50:])]
    again = divide(more, [], 7, TENTHS, False)
    assert again[:50] == rows
    assert placed(again) == {"hat": {"train": 80, "validation": 10, "test": 10}}
    assert divide(again, [], 7, TENTHS, False) == again
    assert divide(again, [], 7, TENTHS, True) != again


def test_a_new_twin_joins_the_one_that_is_there() -> None:
    rows = divide(made({"hat": 50}), [], 0, TENTHS, False)
    tested = next(index for index, row in enumerate(rows) if row.split == "test")
    new = rows[0].model_copy(update={"path": "hat/new.png", "sha256": "f" * 64, "split": None})
    assert divide([*rows, new], [Pair(tested, 50, 2, False)], 0, TENTHS, False)[-1].split == "test"


def test_a_group_is_read_from_the_path() -> None:
    rows = [Row(path=f"hat/{name}.png", sha256="a" * 64, label="hat") for name in ("p1_a", "p1_b", "p2_a", "other")]
    assert [row.group for row in grouped(rows, re.compile(r"/(p\d+)_"))] == ["p1", "p1", "p2", None]


def test_the_manifest_is_written(tmp_path: Path) -> None:
    data_set(tmp_path, *((photo(seed), About("hat")) for seed in range(10)))
    rows = split(tmp_path)
    assert manifest.require(tmp_path) == rows
    assert placed(rows) == {"hat": {"train": 8, "validation": 1, "test": 1}}
    with pytest.raises(TwinlensError) as caught:
        split(tmp_path, validation=0.5, test=0.5)
    assert caught.value.code == "invalid_arguments"


def test_what_is_held_out_stays_that_and_draws_its_group_along() -> None:
    rows = made({"hat": 60})
    rows[3] = rows[3].model_copy(update={"split": "held-out", "group": "person"})
    rows[4] = rows[4].model_copy(update={"group": "person"})
    rows[5] = rows[5].model_copy(update={"split": "train"})
    for anew in (False, True):
        found = divide(rows, [], 0, TENTHS, anew)
        assert [row.split for row in found].count("held-out") == 2
        assert found[3].split == found[4].split == "held-out"
        assert placed(found)["hat"]["test"] == 6
