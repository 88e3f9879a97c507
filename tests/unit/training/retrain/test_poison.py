"""What a poisoned queue, or many small losses one after the other, make of a model: nothing."""

import shutil
from dataclasses import replace

import pytest

from tests.unit.training.retrain.made import SEEN, add, data_set, model, reviewed, shade, verdicts
from training.retrain import candidate, snapshot
from training.retrain.request import Request
from training.retrain.steps import REPORT, retrain
from twinlens import publishing, store
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError


def test_a_poisoned_queue_does_not_get_through(asked, learned):
    """Somebody has reviewed red photos as green ones, and the network has learned that."""
    reviewed(asked.data, "red", "green", range(20, 60))
    learned.update({"red": "green", "green": "red"})
    record = retrain(asked)
    found = verdicts(record)
    assert record["outcome"] == "refused"
    assert found["overall"] is False and found["labels"] is False
    assert found["held-out"] is True, "the held-out photos are as poisoned as the others, and cannot tell"
    assert store.current_version(asked.model) == "v1"
    assert publishing.history(asked.model) == []
    assert store.open_version(asked.out / candidate.CANDIDATE / asked.model.name / "v2")
    assert snapshot.taken(asked.out), "whoever wants it all the same exports it by hand, which takes its photos"
    page = (asked.out / REPORT).read_text(encoding="utf-8")
    assert "Refused" in page and "已拒绝" in page


def test_a_poisoned_test_split_is_no_judge(asked, learned):
    rows = manifest.require(asked.data)
    swapped = {"red": "green", "green": "red"}
    poisoned = [
        row.model_copy(update={"label": swapped.get(row.label, row.label), "reviewed": SEEN})
        if row.split == "test"
        else row
        for row in rows
    ]
    manifest.write(asked.data, poisoned)
    learned.update(swapped)
    record = retrain(asked)
    assert record["outcome"] == "refused"
    assert verdicts(record)["test-split"] is False
    assert record["data"]["judged_by"]["test"] == 6, "only the white ones are as they were"


def test_a_poisoned_validation_split_fits_no_thresholds(asked, learned):
    rows = manifest.require(asked.data)
    poisoned = next(row for row in rows if row.split == "validation")
    wrong = poisoned.model_copy(update={"label": "white", "reviewed": SEEN})
    manifest.write(asked.data, [wrong if row == poisoned else row for row in rows])
    record = retrain(asked)
    assert record["outcome"] == "refused"
    assert [name for name, passed in verdicts(record).items() if passed is False] == ["validation-split"]


@pytest.mark.parametrize(
    "changes", [{"temperature": 4.0}, {"not_sure": {"threshold": 1.0, "rule": "every answer is not sure"}}]
)
def test_scores_that_are_worth_less_are_refused_though_every_answer_is_right(asked, learned, otherwise, changes):
    reviewed(asked.data, "red", "red", [30])
    otherwise.update(changes)
    record = retrain(asked)
    assert record["outcome"] == "refused"
    assert [name for name, passed in verdicts(record).items() if passed is False] == ["scores"]


def relabel(folder, path):
    """Somebody says that one red test photo is a white one."""
    rows = manifest.require(folder)
    wrong = {"label": "white", "reviewed": SEEN}
    manifest.write(folder, [row.model_copy(update=wrong) if row.path == path else row for row in rows])


def rounds(asked, before_each):
    """Three retrainings one after another with nobody looking, as ``--watch`` makes them."""
    records = []
    for number in range(3):
        before_each(number)
        out = asked.out / str(number)
        records.append(retrain(replace(asked, out=out, unattended=True)))
    return records


def test_losses_within_the_limits_do_not_add_up_round_after_round(tmp_path, learned, otherwise):
    """A label loses two photos each time, which alone is let through; yellow is what they are taken for."""
    data = tmp_path / "data"
    data_set(data, test=12)
    add(data, *(shade(data, green, "red", "test") for green in (120, 118, 110, 108, 100, 98)))
    model_folder = model(tmp_path / "models", manifest.require(data))
    asked = Request(data, model_folder, tmp_path / "out", "ana", page=False)

    def poison(number):
        reviewed(data, "red", "red", [20 + number])
        otherwise["leaning"] = {"yellow": float(number + 1)}

    first, *others = rounds(asked, poison)
    assert first["outcome"] == "published"
    assert publishing.history(model_folder)[-1].unattended and first["anchor"]["version"] == "v1"
    assert not any(name.startswith("anchor") for name in verdicts(first)), "the anchor is in use itself"
    second = verdicts(others[0])
    assert second["overall"] and second["labels"], "beside the version in use nothing is wrong"
    for record in others:
        assert (record["outcome"], record["in_use"]["version"], record["anchor"]["version"]) == ("refused", "v2", "v1")
        assert verdicts(record)["anchor-labels"] is False and verdicts(record)["anchor"] is False
    assert store.current_version(model_folder) == "v2"


def test_the_judge_is_not_moved_photo_by_photo(tmp_path, learned):
    data = tmp_path / "data"
    data_set(data, test=12)
    asked = Request(data, model(tmp_path / "models", manifest.require(data)), tmp_path / "out", "ana", page=False)
    reds = [row.path for row in manifest.require(data) if row.split == "test" and row.label == "red"]
    first, second, third = rounds(asked, lambda number: relabel(data, reds[number]))
    assert first["outcome"] == "published", "one of 36 is within the limit"
    assert verdicts(second)["test-split"] is True, "one more is again"
    assert verdicts(second)["anchor-test-split"] is False and second["outcome"] == "refused"
    assert verdicts(third)["anchor-test-split"] is False and third["outcome"] == "refused"
    assert store.current_version(asked.model) == "v2"


def test_what_a_person_publishes_is_the_next_anchor(asked, learned):
    for number, unattended in enumerate((True, False, True)):
        reviewed(asked.data, "red", "red", [30 + number])
        record = retrain(replace(asked, out=asked.out / str(number), unattended=unattended))
        assert record["outcome"] == "published"
    assert (record["in_use"]["version"], record["anchor"]["version"]) == ("v3", "v3")


def test_an_anchor_that_is_gone_stops_what_nobody_looks_at(asked, learned):
    reviewed(asked.data, "red", "red", [30])
    retrain(replace(asked, out=asked.out / "1", unattended=True))
    shutil.rmtree(asked.model / "v1")
    reviewed(asked.data, "red", "red", [31])
    with pytest.raises(TwinlensError, match="without --watch") as caught:
        retrain(replace(asked, out=asked.out / "2", unattended=True))
    assert caught.value.code == "model_not_found"
    record = retrain(replace(asked, out=asked.out / "3"))
    assert (record["outcome"], record["anchor"]["version"]) == ("published", "v2")
