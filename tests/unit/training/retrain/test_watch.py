import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.training.retrain.made import add, data_set, model, photo
from training.cli import main
from training.progress import say
from training.retrain import command
from training.retrain.candidate import RUN
from training.retrain.request import Request
from training.retrain.steps import RECORD
from training.retrain.watch import last_tried, watch
from twinlens import publishing
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError
from twinlens.review.decide import Reviewer

SEEN = "2026-11-27T08:00:00+00:00"


@pytest.fixture
def request_(tmp_path):
    rows = data_set(tmp_path / "data", test=1)
    return Request(tmp_path / "data", model(tmp_path / "models", rows), tmp_path / "runs", "ana")


def reviewed(request, first, count):
    add(request.data, *(photo(request.data, "red", seed, "red", "train", SEEN) for seed in range(first, first + count)))


def run(request, count, happens, do=None):
    """Watch, with something happening before each look.

    :param do: is called with each request that is carried out, and may raise.
    :return: the requests that were carried out, with how many rows there were then; what was told.
    """
    done, told = [], []

    def carried_out(asked):
        done.append((asked, len(manifest.require(request.data))))
        asked.out.mkdir(parents=True, exist_ok=True)
        if do is not None:
            do(asked)
        return {"outcome": "refused"}

    left = list(happens)

    def sleep(_):
        if left:
            left.pop(0)()

    def tell(record, out):
        told.append((record["outcome"], out))

    watch(request, count, tell, do=carried_out, sleep=sleep, rounds=len(left) + 1)
    return done, told


def nothing():
    pass


def raising(*errors):
    """Raises one error after another, then none."""
    left = list(errors)

    def do(_):
        if left:
            raise left.pop(0)

    return do


def test_it_waits_for_so_many_reviews_and_counts_them_once(request_):
    steps = [(20, 2), None, (22, 2), (24, 2), (26, 1), None]
    done, told = run(request_, 3, [lambda step=step: step and reviewed(request_, *step) for step in steps])
    assert [rows for _, rows in done] == [25, 28]
    outs = [asked.out for asked, _ in done]
    assert len(set(outs)) == 2, "within one second too"
    assert all(out.parent == request_.out and out.name.startswith("colours-") for out in outs)
    assert all(asked.unattended and not asked.resume for asked, _ in done)
    assert told == [("refused", out) for out in outs]


def test_photos_that_are_set_aside_are_reviewed_too(request_):
    reviewer = Reviewer(request_.data, "ana")
    first, second = (row for row in manifest.require(request_.data)[:2])
    steps = [lambda: reviewer.set_aside(first.path, first.label), lambda: reviewer.set_aside(second.path, second.label)]
    done, _ = run(request_, 2, [*steps, nothing])
    assert [rows for _, rows in done] == [19]


def test_an_error_is_said_and_it_goes_on_waiting_for_as_many_more(request_, capsys):
    errors = [TwinlensError("training_failed", "It ended with status 1."), OSError(28, "No space left on device")]
    happens = [lambda: reviewed(request_, 20, 2), nothing, lambda: reviewed(request_, 22, 2), nothing]
    done, _ = run(request_, 2, happens, raising(*errors))
    assert [rows for _, rows in done] == [23, 25]
    said = capsys.readouterr().err
    assert said.count("error [training_failed]") == 1
    assert said.count("error [cannot_write]") == 1 and "No space left" in said


@pytest.mark.parametrize("code", ["data_in_use", "model_in_use"])
def test_what_had_to_give_way_to_another_command_goes_on_at_the_next_look(request_, capsys, code):
    busy = [TwinlensError(code, "Another command is at it.") for _ in range(2)]
    done, told = run(request_, 2, [lambda: reviewed(request_, 20, 2), nothing, nothing, nothing], raising(*busy))
    assert len(done) == 3 and len({asked.out for asked, _ in done}) == 1
    assert [asked.resume for asked, _ in done] == [False, True, True]
    assert len(told) == 1
    assert capsys.readouterr().err.count(f"error [{code}]") == 1, "said once"


def test_a_manifest_that_is_gone_for_a_moment_does_not_end_it(request_, capsys):
    here, there = request_.data / "manifest.jsonl", request_.data / "moved"

    def back():
        there.rename(here)
        reviewed(request_, 20, 2)

    done, _ = run(request_, 2, [lambda: here.rename(there), nothing, back])
    assert len(done) == 1
    assert capsys.readouterr().err.count("error [cannot_write]") == 1

    def full(_):
        raise OSError(28, "No space left on device")

    reviewed(request_, 40, 2)
    assert len(run(request_, 2, [lambda: None], full)[0]) == 1
    assert "No space left" in capsys.readouterr().err


def test_what_is_wrong_from_the_beginning_ends_it(request_, tmp_path):
    with pytest.raises(TwinlensError) as caught:
        run(replace(request_, data=tmp_path / "nowhere"), 2, [])
    assert caught.value.code == "invalid_data"
    (request_.model / "current").unlink()
    with pytest.raises(TwinlensError) as caught:
        run(request_, 2, [])
    assert caught.value.code == "model_not_found"


def test_what_was_tried_before_it_was_started_again_counts_as_seen(request_):
    reviewed(request_, 20, 4)
    assert len(run(request_, 3, [])[0]) == 1
    tried = request_.out / "tried"
    manifest.write(tried / RUN, manifest.require(request_.data))
    record = {"data": {"path": str(request_.data.resolve())}, "model_path": str(request_.model.resolve())}
    (tried / RECORD).write_text(json.dumps(record))
    assert len(last_tried(request_)) == 25
    assert run(request_, 3, [])[0] == []
    # Another model may learn from the same photos, and keep its runs in the same folder.
    (tried / RECORD).write_text(json.dumps({**record, "model_path": "/models/another"}))
    assert last_tried(request_) is None
    (tried / RECORD).write_text(json.dumps({**record, "data": {"path": "/another"}}))
    assert last_tried(request_) is None


def test_its_arguments(request_, monkeypatch, capsys):
    asked = ["retrain", str(request_.data), "--model", str(request_.model), "--out", str(request_.out), "--watch", "5"]
    assert main([*asked, "--resume"]) == 2
    assert "error [invalid_arguments]: --watch begins" in capsys.readouterr().err

    def watches(request, count, tell):
        say("Waiting")
        tell({"outcome": "refused", "count": count}, Path())
        tell({"outcome": "published"}, Path())

    monkeypatch.setattr(command, "watch", watches)
    assert main([*asked, "--json"]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [
        {"outcome": "refused", "count": 5},
        {"outcome": "published"},
    ]
    assert err == "Waiting\n"


def test_it_finds_what_a_model_was_trained_on_where_a_retraining_does(request_, tmp_path):
    """The data set lacked splits, which the training made for itself."""
    rows = manifest.require(request_.data)
    manifest.write(tmp_path / "run", rows)
    (request_.data / manifest.MANIFEST).unlink()
    manifest.write(request_.data, [row.model_copy(update={"split": "train"}) for row in rows], keep=False)
    with pytest.raises(TwinlensError, match="--trained-on"):
        run(request_, 2, [])
    with publishing.changing(request_.model):
        publishing.put_in_use(request_.model, "v1", "ana", run=tmp_path / "run", run_sha256="0" * 64)
    done, _ = run(request_, 2, [lambda: reviewed(request_, 20, 2)])
    assert len(done) == 1
