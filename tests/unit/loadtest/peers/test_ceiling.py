import json

import pytest

from loadtest.peers import ceiling
from loadtest.peers.ceiling import Setting, rates, settings
from tests import images, models
from twinlens.errors import TwinlensError


def test_every_setting_is_tried_once_and_one_thread_never_spins():
    tried = settings(2)
    assert len(set(tried)) == len(tried) == 4 * 5 * 3
    assert {(each.inference_threads, each.spinning) for each in tried} == {(1, False), (2, False), (2, True)}
    assert {each.decode_threads for each in tried} == {1, 2, 3, 4}
    assert {each.inference_threads for each in settings(1)} == {1}


@pytest.mark.parametrize("setting", [Setting(1, 1, 1, False), Setting(3, 2, 4, True)], ids=str)
def test_a_rate_is_that_of_whole_batches(setting, classifier):
    photos = [images.encoded(models.picture(colour), "JPEG") for colour in models.LABELS]
    said = []
    (rate,) = rates(photos, classifier.version, [setting], 0.3, said.append)
    assert rate.setting == setting
    assert rate.photos_per_second > 0
    assert rate.cpu_seconds_per_1000 > 0
    assert len(said) == 1
    assert rate.to_json().keys() == {
        *("decode_threads", "inference_threads", "batch_size", "spinning"),
        *("photos_per_second", "cpu_seconds_per_1000"),
    }


def test_a_broken_photo_ends_the_measurement(classifier):
    with pytest.raises(TwinlensError) as caught:
        rates([b"no image"], classifier.version, [Setting(2, 1, 1, False)], 60, lambda _: None)
    assert caught.value.code == "not_an_image"


def test_the_command_prints_all_and_the_best(models_folder, monkeypatch, capsys):
    few = [Setting(1, 1, 1, False), Setting(2, 1, 4, False)]
    monkeypatch.setattr(ceiling, "settings", lambda _: few)
    assert ceiling.main(["--model", str(models_folder / models.NAME), "--seconds", "0.2"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert len(result["rows"]) == len(printed.err.splitlines()) == 2
    assert result["best"]["photos_per_second"] == max(row["photos_per_second"] for row in result["rows"])
    assert result["photos"] == 40


def test_a_folder_that_is_not_there_is_named(models_folder, tmp_path, capsys):
    assert ceiling.main([str(tmp_path / "none"), "--model", str(models_folder / models.NAME)]) == 2
    assert "none" in capsys.readouterr().err
