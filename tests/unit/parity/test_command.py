import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image

from parity import __main__ as command
from parity.compare import Comparison
from parity.photos import Photo
from parity.run import Parity
from parity.sides import Answer
from tests import models


def test_a_folder_that_is_not_there(tmp_path: Path, capsys) -> None:
    assert command.main([str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize(("page_score", "status"), [(0.9, 0), (0.7, 1)])
def test_a_missed_goal_is_a_failure(
    page_score: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """The sides are stood in for, so that one of them can be wrong."""
    contract = (models.write(tmp_path / "models") / models.VERSION / "contract.json").read_bytes()
    request = httpx.Request("GET", "http://127.0.0.1/v1/model")
    answer = Answer({"a": page_score, "b": 1 - page_score}, input_sha256="00")
    one = Comparison(Photo("a.jpg", Path("a.jpg"), {}), Answer({"a": 0.9, "b": 0.1}), answer, "00")

    @contextmanager
    def side(thing):
        yield thing

    monkeypatch.setattr(command, "serving", lambda settings: side("http://127.0.0.1"))
    monkeypatch.setattr(command, "chromium", lambda: side(SimpleNamespace(version="1")))
    monkeypatch.setattr(command.httpx, "get", lambda url: httpx.Response(200, content=contract, request=request))
    monkeypatch.setattr(command, "run", lambda *arguments: Parity([one], [one], [one]))
    photos, out = tmp_path / "photos", tmp_path / "out.json"
    photos.mkdir()
    Image.new("RGB", (8, 8)).save(photos / "a.png")

    assert command.main([str(photos), "--out", str(out)]) == status
    goals = {goal["name"]: goal["met"] for goal in json.loads(out.read_text())["goals"]}
    assert len(goals) == 8
    assert all(goals.values()) is (status == 0)
    assert out.with_suffix(".png").is_file()
    assert ("MISSED" in capsys.readouterr().out) is (status == 1)
