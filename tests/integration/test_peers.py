"""Each peer with the model that ships: the same labels as ours, broken files refused, and nothing left of it."""

from __future__ import annotations

from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.server import is_free
from loadtest.peers.catalogue import PEERS, serving_peer
from parity.photos import samples
from tests import images
from tests.servers import ROOT
from twinlens.classifier import Answer, Classifier
from twinlens.errors import TwinlensError
from twinlens.settings import Settings
from twinlens.store import open_current

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1800)]
MARGIN = 0.1
SCORE_DIFFERENCE = 0.05
"""Tutorials decode whole and round the resized size, which moves a score by a few hundredths at most."""


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return Classifier(open_current(ROOT / "bentos" / "clothing"), Settings())


@pytest.fixture(scope="module")
def answers(shipped: Classifier, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Answer]:
    """Pictures whose best label stands out, with our answers."""
    folder = tmp_path_factory.mktemp("pictures")
    samples(folder)
    found = {}
    for path in sorted(folder.iterdir()):
        scores = shipped.scores(shipped.pixels(shipped.read_header(path.read_bytes()))[None])[0]
        answer = shipped.answer(scores, 5)
        if answer["predictions"][0]["score"] - answer["predictions"][1]["score"] > MARGIN:
            found[path] = answer
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_answers_as_ours_and_is_gone_afterwards(
    name: str, shipped: Classifier, answers: dict[Path, Answer]
) -> None:
    with serving_peer(name, shipped.version.path) as peer, httpx.Client(timeout=60) as client:

        def send(data: bytes) -> httpx.Response:
            return client.post(peer.url + peer.path, files={"image": ("photo.jpg", data, "image/jpeg")})

        def check(path: Path) -> None:
            response = send(path.read_bytes())
            assert response.status_code == 200, response.text
            found, wanted = response.json()["predictions"], answers[path]["predictions"]
            assert found[0]["label"] == wanted[0]["label"], path.name
            assert found[0]["score"] == pytest.approx(wanted[0]["score"], abs=SCORE_DIFFERENCE)
            assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)

        for path in answers:
            check(path)
        for broken in (b"no image", images.encoded(images.quadrants(), "JPEG")[:300]):
            assert 400 <= send(broken).status_code < 600
        check(next(iter(answers)))
        first = psutil.Process(peer.pid)
        processes = [first, *first.children(recursive=True)]
    assert [process for process in processes if process.is_running()] == []
    assert is_free(int(peer.url.rpartition(":")[2]))


def test_a_peer_that_does_not_start_says_why(shipped: Classifier, tmp_path: Path) -> None:
    wanted = r"(?s)The peer fastapi_tutorial ended.*There is no model"
    with pytest.raises(TwinlensError, match=wanted) as caught, serving_peer("fastapi_tutorial", tmp_path):
        pass
    assert caught.value.code == "not_ready"
