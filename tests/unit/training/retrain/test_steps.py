"""The whole way but the training itself: what a network would have learned is a made model that says so."""

import json
from dataclasses import replace

import pytest

from tests import models
from tests.unit.training.retrain.made import COLOURS, add, data_set, model, photo
from tests.unit.training.test_run import record as run_record
from training import checkpoint
from training.cli import main
from training.retrain import candidate, exports, steps
from training.retrain.steps import RECORD, REPORT, Request, retrain
from training.run import save
from twinlens import publishing, store
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT
from twinlens.errors import TwinlensError

SEEN = "2026-11-27T08:00:00+00:00"


@pytest.fixture
def asked(tmp_path):
    """A data set, and a model that was trained on it."""
    rows = data_set(tmp_path / "data")
    return Request(tmp_path / "data", model(tmp_path / "models", rows), tmp_path / "out", "ana", page=False)


@pytest.fixture
def learned(monkeypatch):
    """Says what a training has learned: which name each colour has for it."""
    names: dict[str, str] = {}

    def learn(data, out, source, contract, weights, recipe, resume):
        checkpoint.save(out / candidate.RUN / checkpoint.BEST, {})
        manifest.write(out / candidate.RUN, manifest.require(data))
        return out / candidate.RUN

    def make(run, out, folder, data, weights):
        labels = [{"name": names.get(label, label), "display": {"en": label}} for label in models.LABELS]
        made = models.write(out / candidate.CANDIDATE, folder.name, "v2", labels=labels)
        return store.open_current(made)

    monkeypatch.setattr(candidate, "learn", learn)
    monkeypatch.setattr(candidate, "make", make)
    return names


def reviewed(folder, shown, label, seeds):
    add(folder, *(photo(folder, shown, seed, label, None, SEEN) for seed in seeds))


def verdicts(record):
    return {each["name"]: each["passed"] for each in record["gate"]}


def test_a_candidate_that_is_as_good_is_published_and_its_record_says_everything(asked, learned):
    reviewed(asked.data, "red", "red", range(20, 50))
    record = retrain(asked)
    assert record["outcome"] == "published"
    assert store.current_version(asked.model) == "v2"
    last = publishing.history(asked.model)[-1]
    assert (last.who, last.replaced, last.run) == ("ana", "v1", str(asked.out / candidate.RUN))
    assert last.run_sha256 == checkpoint.best_sha256(asked.out / candidate.RUN)
    assert json.loads((asked.out / RECORD).read_bytes()) == record
    page = (asked.out / REPORT).read_text(encoding="utf-8")
    for part in ("Published", "已发布", "A, in use: v1", "B, the candidate: v2", "On the fixed test split", "召回率"):
        assert part in page
    assert not (asked.out / candidate.CANDIDATE).exists()
    assert [entry.name for entry in asked.model.iterdir() if entry.name.startswith(".")] == []
    rows = manifest.require(asked.data)
    held = [row for row in rows if row.split == HELD_OUT]
    assert 0 < len(held) == record["data"]["judged_by"]["held-out"] < 30
    assert all(row.split is not None for row in rows)
    assert verdicts(record) == {
        "test-split": True,
        "parity": True,
        "overall": True,
        "labels": True,
        "held-out": True,
        "held-out-labels": True,
        "exports": None,
    }


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


def test_a_label_that_was_reviewed_away_is_missed(asked, learned):
    reviewed(asked.data, "red", "red", [30])
    learned.update({"white": "snow"})
    record = retrain(asked)
    assert record["outcome"] == "refused" and verdicts(record)["labels"] is False


def test_a_dry_run_publishes_nothing_and_keeps_the_candidate(asked, learned):
    reviewed(asked.data, "red", "red", range(20, 25))
    record = retrain(replace(asked, dry_run=True))
    assert record["outcome"] == "passed"
    assert store.current_version(asked.model) == "v1"
    assert store.open_version(asked.out / candidate.CANDIDATE / asked.model.name / "v2")


def test_graphs_that_do_not_give_the_golden_answers_are_refused(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", [30])
    make = candidate.make

    def broken(*arguments):
        made = make(*arguments)
        (made.path / "tfjs" / "model.json").write_bytes(b"{}")
        return made

    monkeypatch.setattr(candidate, "make", broken)
    record = retrain(asked)
    assert record["outcome"] == "refused"
    assert verdicts(record) == {"test-split": True, "parity": False}
    assert (asked.out / REPORT).is_file()


def test_a_run_that_cannot_be_exported_is_refused(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", [30])

    def fails(*_):
        raise TwinlensError("export_mismatch", "ONNX Runtime's logits are off by 1.")

    monkeypatch.setattr(candidate, "make", fails)
    record = retrain(asked)
    assert (record["outcome"], record["candidate"]) == ("refused", None)
    assert "off by 1" in record["gate"][-1]["said"]


def test_a_page_that_answers_otherwise_is_refused(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", [30])
    monkeypatch.setattr(steps, "require_page", lambda: None)
    files = []

    def answers(version, given):
        files.extend(given)
        raise TwinlensError("export_mismatch", "The page says: unknown operation.")

    monkeypatch.setattr(exports, "page_answers", answers)
    record = retrain(replace(asked, page=True))
    assert verdicts(record)["exports"] is False and record["outcome"] == "refused"
    assert len(files) == 2 + 6, "the golden pictures, and some of test"


def test_what_somebody_else_published_meanwhile_is_not_replaced(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", [30])
    make = candidate.make

    def meanwhile(*arguments):
        model(asked.model.parent, manifest.require(asked.data), "v9")
        return make(*arguments)

    monkeypatch.setattr(candidate, "make", meanwhile)
    record = retrain(asked)
    assert record["outcome"] == "refused" and verdicts(record)["in-use"] is False
    assert store.current_version(asked.model) == "v9"


def test_what_cannot_be_retrained_says_why(asked, learned, tmp_path):
    with pytest.raises(TwinlensError) as caught:
        retrain(asked)
    assert caught.value.code == "nothing_new"
    undivided = tmp_path / "undivided"
    manifest.write(undivided, [photo(undivided, colour, 1, colour, None) for colour in COLOURS])
    with pytest.raises(TwinlensError, match="data split") as caught:
        retrain(replace(asked, data=undivided))
    assert caught.value.code == "invalid_data"
    with pytest.raises(TwinlensError) as caught:
        retrain(replace(asked, out=asked.data / "out"))
    assert caught.value.code == "invalid_arguments"


def test_a_retraining_is_not_begun_twice_in_one_folder(asked, learned):
    reviewed(asked.data, "red", "red", [30])
    (asked.out / "run").mkdir(parents=True)
    with pytest.raises(TwinlensError, match="--resume") as caught:
        retrain(asked)
    assert caught.value.code == "already_exists"
    assert retrain(replace(asked, resume=True))["outcome"] == "published"
    with pytest.raises(TwinlensError, match="finished"):
        retrain(replace(asked, resume=True))


def test_the_exit_status_tells_published_from_refused(asked, learned, capsys):
    reviewed(asked.data, "red", "red", range(20, 25))
    command = ["retrain", str(asked.data), "--model", str(asked.model), "--no-page", "--who", "bo"]
    learned.update({"red": "green", "green": "red"})
    assert main([*command, "--out", str(asked.out / "1")]) == 1
    printed = capsys.readouterr().out
    assert "Refused: v1 stays in use" in printed and "No label worse on test: NO." in printed
    learned.clear()
    assert main([*command, "--out", str(asked.out / "2"), "--json"]) == 0
    assert '"outcome": "published"' in capsys.readouterr().out
    assert publishing.history(asked.model)[-1].who == "bo"


def test_learning_goes_on_from_the_run_where_it_is_still_there(asked, tmp_path):
    version = store.open_current(asked.model)
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path
    run = tmp_path / "run"
    checkpoint.save(run / checkpoint.BEST, {})
    with publishing.changing(asked.model):
        publishing.put_in_use(asked.model, "v1", "ana", run=str(run), run_sha256=checkpoint.best_sha256(run))
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path, "it has no record"
    save(run, run_record(finished="made"))
    assert candidate.source_of(version, publishing.history(asked.model)) == run
    (run / checkpoint.BEST).write_bytes(b"another")
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path


@pytest.mark.parametrize("weights", ["float16", "int8-channel"])
def test_weights_are_rounded_as_those_in_use(tmp_path, weights):
    contract = store.open_current(models.write(tmp_path, weights=weights)).contract
    assert candidate.weights_of(contract) == weights
    assert candidate.check_weights(weights) == weights
