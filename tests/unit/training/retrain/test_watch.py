import json
from dataclasses import replace

import pytest

from tests.unit.training.retrain.made import add, data_set, model, photo
from training.retrain.candidate import RUN
from training.retrain.steps import RECORD, Request
from training.retrain.watch import last_tried, watch
from twinlens.dataset import manifest
from twinlens.errors import TwinlensError

SEEN = "2026-11-27T08:00:00+00:00"


@pytest.fixture
def request_(tmp_path):
    rows = data_set(tmp_path / "data", test=1)
    return Request(tmp_path / "data", model(tmp_path / "models", rows), tmp_path / "runs", "ana")


def reviewed(request, first, count):
    add(request.data, *(photo(request.data, "red", seed, "red", "train", SEEN) for seed in range(first, first + count)))


def run(request, count, happens, do=None):
    """Watch, with something happening before each look.

    :return: the requests that were carried out, with how many rows there were then.
    """
    done = []

    def carried_out(asked):
        done.append((asked, len(manifest.require(request.data))))
        if do is not None:
            do(asked)
        return {
            "gate": [],
            "candidate": None,
            "outcome": "refused",
            "in_use": {"version": "v1"},
            "model": "colours",
        }

    left = list(happens)

    def sleep(_):
        if left:
            left.pop(0)()

    watch(request, count, do=carried_out, sleep=sleep, rounds=len(left) + 1)
    return done


def test_it_waits_for_so_many_reviews_and_counts_them_once(request_, capsys):
    steps = [(20, 2), None, (22, 2), (24, 2), (26, 1), None]
    done = run(request_, 3, [lambda step=step: step and reviewed(request_, *step) for step in steps])
    assert [rows for _, rows in done] == [25, 28]
    assert len({asked.out for asked, _ in done}) <= 2
    assert all(asked.out.parent == request_.out and asked.out.name.startswith("colours-") for asked, _ in done)
    assert "Refused" in capsys.readouterr().out


def test_an_error_is_said_and_it_goes_on_waiting(request_, capsys):
    def fail(_):
        raise TwinlensError("data_in_use", "Another command is changing it.")

    done = run(request_, 2, [lambda: reviewed(request_, 20, 2), lambda: None, lambda: reviewed(request_, 22, 2)], fail)
    assert len(done) == 2
    assert capsys.readouterr().err.count("error [data_in_use]") == 2

    def full(_):
        raise OSError(28, "No space left on device")

    reviewed(request_, 40, 2)
    assert len(run(request_, 2, [lambda: None], full)) == 1
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
    assert len(run(request_, 3, [])) == 1
    tried = request_.out / "colours-1"
    manifest.write(tried / RUN, manifest.require(request_.data))
    (tried / RECORD).write_text(json.dumps({"data": {"path": str(request_.data.resolve())}}))
    assert len(last_tried(request_.out, request_.data)) == 25
    assert run(request_, 3, []) == []
    (tried / RECORD).write_text(json.dumps({"data": {"path": "/another"}}))
    assert last_tried(request_.out, request_.data) is None
