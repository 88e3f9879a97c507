import json
import math
from pathlib import Path

import pytest

from parity import dct
from parity.dct import headroom_left, main, measure, scale_used
from parity.photos import find, large_copies, samples, with_headroom
from tests import models
from twinlens.inference import Network
from twinlens.store import open_current


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return Network(open_current(models.write(tmp_path_factory.mktemp("models"))), threads=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, network: Network):
    folder = tmp_path_factory.mktemp("photos")
    samples(folder)
    photos, _ = find(folder, network.contract)
    return list(large_copies(photos, 2, tmp_path_factory.mktemp("made"), network.contract, (800, 600)))


def test_headroom_is_counted_from_the_shorter_edge(network: Network) -> None:
    assert headroom_left((800, 576), 4, network.contract) == 2.0  # 576 / 4 / 72
    assert headroom_left((576, 800), 8, network.contract) == 1.0


@pytest.mark.parametrize(("headroom", "scale"), [(1.0, 8), (1.1, 4), (2.0, 4), (2.1, 2), (4.2, 1), (math.inf, 1)])
def test_the_scale_used_is_the_decoders(headroom: float, scale: int, network: Network, made) -> None:
    contract = with_headroom(network.contract, headroom)
    assert scale_used((800, 600), contract) == scale
    assert measure(made, scale, headroom, network)["decode_ms"] > 0


def test_a_scale_that_was_not_taken_is_an_error(network: Network, made) -> None:
    with pytest.raises(RuntimeError, match="decoded at 1/1, not 1/8"):
        measure(made, 8, math.inf, network)


def test_a_smaller_scale_leaves_the_whole_decode_further(network: Network, made) -> None:
    rows = [measure(made, scale, headroom_left((800, 600), scale, network.contract), network) for scale in (8, 2)]
    assert rows[0]["pixel_difference"] > rows[1]["pixel_difference"] > 0
    assert measure(made, 1, math.inf, network)["max_score_difference"] == 0


def test_the_command_writes_a_row_for_every_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models.write(tmp_path / "models")
    monkeypatch.setenv("TWINLENS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("TWINLENS_MODEL", models.NAME)
    monkeypatch.setattr(dct, "SIZES", ((400, 300),))
    photos, out = tmp_path / "photos", tmp_path / "dct.json"
    photos.mkdir()
    samples(photos)
    assert main([str(photos), "--large", "2", "--out", str(out)]) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["decoded_at"], row["used"]) for row in content["rows"]] == [
        ("1/4", False),
        ("1/2", True),
        ("1/1", False),
    ]
    assert content["jpeg_dct_headroom"] == 2.0


def test_a_folder_that_is_not_there(tmp_path: Path, capsys) -> None:
    assert main([str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err
