"""The whole way but the training itself: what a network would have learned is a made model that says so."""

import json
from dataclasses import replace

import pytest

from tests import models
from tests.unit.training.retrain.made import COLOURS, model, photo, reviewed, verdicts
from tests.unit.training.test_run import record as run_record
from training import checkpoint
from training.cli import main
from training.retrain import candidate, child, exports, snapshot, steps
from training.retrain.steps import RECORD, REPORT, retrain
from training.run import as_json, save
from twinlens import publishing, store
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT
from twinlens.errors import TwinlensError
from twinlens.review.decide import Reviewer


def test_a_candidate_that_is_as_good_is_published_and_its_record_says_everything(asked, learned):
    reviewed(asked.data, "red", "red", range(20, 50))
    record = retrain(asked)
    assert record["outcome"] == "published"
    assert store.current_version(asked.model) == "v2"
    last = publishing.history(asked.model)[-1]
    assert (last.who, last.replaced, last.run) == ("ana", "v1", str((asked.out / candidate.RUN).resolve()))
    assert last.run_sha256 == checkpoint.best_sha256(asked.out / candidate.RUN)
    assert json.loads((asked.out / RECORD).read_bytes()) == record
    page = (asked.out / REPORT).read_text(encoding="utf-8")
    for part in ("Published", "已发布", "A, in use: v1", "B, the candidate: v2", "On the fixed test split", "召回率"):
        assert part in page
    assert not (asked.out / candidate.CANDIDATE).exists() and not (asked.out / snapshot.FOLDER).exists()
    assert [entry.name for entry in asked.model.iterdir() if entry.name.startswith(".")] == []
    rows = manifest.require(asked.data)
    held = [row for row in rows if row.split == HELD_OUT]
    assert 0 < len(held) == record["data"]["judged_by"]["held-out"] < 30
    assert all(row.split is not None for row in rows)
    assert verdicts(record) == {
        "test-split": True,
        "validation-split": True,
        "parity": True,
        "overall": True,
        "labels": True,
        "scores": True,
        "held-out": True,
        "held-out-labels": True,
        "exports": None,
    }


def test_reviewing_goes_on_meanwhile(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", range(20, 50))
    learn, reviewer = candidate.learn, Reviewer(asked.data, "bo")

    def meanwhile(*arguments):
        run = learn(*arguments)
        for row in manifest.require(asked.data):
            if row.split in ("test", HELD_OUT):
                reviewer.set_aside(row.path, row.label)
        return run

    monkeypatch.setattr(candidate, "learn", meanwhile)
    record = retrain(asked)
    assert record["outcome"] == "published"
    assert record["data"]["judged_by"]["test"] == 18 and record["data"]["judged_by"]["held-out"] > 0


def test_a_retraining_that_was_stopped_goes_on_with_the_photos_that_it_began_with(asked, learned, monkeypatch):
    reviewed(asked.data, "red", "red", [30])
    learn = candidate.learn

    def stopped(*_):
        raise TwinlensError("training_failed", "It was stopped.")

    monkeypatch.setattr(candidate, "learn", stopped)
    with pytest.raises(TwinlensError):
        retrain(asked)
    began = manifest.require(asked.out / snapshot.FOLDER)
    row = next(row for row in manifest.require(asked.data) if row.split == "test")
    Reviewer(asked.data, "bo").set_aside(row.path, row.label)
    monkeypatch.setattr(candidate, "learn", learn)
    record = retrain(replace(asked, resume=True))
    assert record["outcome"] == "published"
    assert record["data"]["digest"] == manifest.digest(began)


class Killed(BaseException):
    """In place of SIGKILL, which leaves nobody to tidy up."""


@pytest.mark.parametrize("after", ["copying", "renaming", "logging", "putting in use", "reporting"])
def test_publishing_that_was_killed_between_two_steps_is_finished(asked, learned, monkeypatch, after):
    reviewed(asked.data, "red", "red", [30])

    def killed_after(place, name):
        whole = getattr(place, name)

        def step(*arguments, **more):
            whole(*arguments, **more)
            raise Killed

        monkeypatch.setattr(place, name, step)

    def killed(*_, **__):
        raise Killed

    if after == "copying":
        monkeypatch.setattr(steps, "publish", killed)
        monkeypatch.setattr(steps.shutil, "rmtree", lambda *_, **__: None)
    elif after == "renaming":
        killed_after(steps, "publish")
    elif after == "logging":
        monkeypatch.setattr(publishing, "set_current", killed)
    elif after == "putting in use":
        killed_after(publishing, "put_in_use")
    else:
        monkeypatch.setattr(steps, "as_json", lambda record: killed() if "gate" in record else as_json(record))
    with pytest.raises(Killed):
        retrain(asked)
    assert store.current_version(asked.model) == ("v1" if after in ("copying", "renaming", "logging") else "v2")
    assert any(entry.name.startswith(".publish-") for entry in asked.model.iterdir()) == (after == "copying")
    monkeypatch.undo()
    with pytest.MonkeyPatch.context() as again:
        again.setattr(candidate, "learn", lambda data, out, *_: out / candidate.RUN)
        record = retrain(replace(asked, resume=True))
    assert record["outcome"] == "published" and json.loads((asked.out / RECORD).read_bytes()) == record
    assert (asked.out / REPORT).is_file()
    assert store.current_version(asked.model) == record["candidate"]["version"] == "v2"
    assert record["in_use"]["version"] == "v1"
    assert not any(entry.name.startswith(".") for entry in asked.model.iterdir())
    log = publishing.history(asked.model)
    assert {(entry.version, entry.replaced) for entry in log} == {("v2", "v1")}
    assert len(log) == (2 if after == "logging" else 1)


def test_a_run_that_has_ended_is_not_begun_again(tmp_path, monkeypatch):
    commands = []

    def runs(command, _):
        commands.append(command)
        return 0

    monkeypatch.setattr(child, "run", runs)
    contract = store.open_current(models.write(tmp_path / "models")).contract
    asked = (tmp_path / "data", tmp_path / "out", tmp_path / "source", contract, "int4-channel", candidate.Recipe())
    assert candidate.learn(*asked, resume=True) == tmp_path / "out" / candidate.TUNED
    assert [command[3] for command in commands] == ["train", "tune"] and "--resume" not in commands[0]
    commands.clear()
    save(tmp_path / "out" / candidate.RUN, run_record(finished="all epochs are done"))
    save(tmp_path / "out" / candidate.TUNED, run_record())
    candidate.learn(*asked, resume=True)
    assert [command[3] for command in commands] == ["tune"] and "--resume" in commands[0]


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
    assert verdicts(record) == {"test-split": True, "validation-split": True, "parity": False}
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
    assert json.loads(capsys.readouterr().out)["outcome"] == "published", "nothing else is on stdout"
    assert publishing.history(asked.model)[-1].who == "bo"


def test_learning_goes_on_from_the_run_where_it_is_still_there(asked, tmp_path, capsys):
    version = store.open_current(asked.model)
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path
    run = tmp_path / "run"
    checkpoint.save(run / checkpoint.BEST, {})
    with publishing.changing(asked.model):
        publishing.put_in_use(asked.model, "v1", "ana", run=run, run_sha256=checkpoint.best_sha256(run))
    assert capsys.readouterr().out == ""
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path, "it has no record"
    assert f"{run}, the run that v1 was made from, is not there" in capsys.readouterr().out
    save(run, run_record(finished="made"))
    assert candidate.source_of(version, publishing.history(asked.model)) == run
    (run / checkpoint.BEST).write_bytes(b"another")
    assert candidate.source_of(version, publishing.history(asked.model)) == version.path
    assert "is another one by now" in capsys.readouterr().out


@pytest.mark.parametrize("weights", ["float16", "int8-channel"])
def test_weights_are_rounded_as_those_in_use(tmp_path, weights):
    contract = store.open_current(models.write(tmp_path, weights=weights)).contract
    assert candidate.weights_of(contract) == weights
    assert candidate.check_weights(weights) == weights
