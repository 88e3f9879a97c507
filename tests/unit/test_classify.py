import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests import images, models
from twinlens.classifier import Classifier
from twinlens.classify import answers, classify, find
from twinlens.errors import TwinlensError


@pytest.fixture
def photos(tmp_path):
    """A folder with a picture of each colour, some below, names in any script, and what is no picture."""
    folder = tmp_path / "照片 und Fotos"
    (folder / "sub").mkdir(parents=True)
    for index, colour in enumerate(models.LABELS):
        name = f"{'sub/' * (index % 2)}{index} {colour} 图.{'jpg' if index % 3 else 'PNG'}"
        kind = "JPEG" if index % 3 else "PNG"
        (folder / name).write_bytes(images.encoded(models.picture(colour), kind))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.jpg").write_bytes(b"")
    (folder / ".quarantine" / "files").mkdir(parents=True)
    (folder / ".quarantine" / "files" / "set aside.jpg").write_bytes(b"")
    return folder


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_folder_is_searched_in_the_order_of_names(photos):
    found = find([photos])
    assert len(found) == len(models.LABELS)
    assert found == sorted(found)


def test_json_lines_have_the_servers_shape(photos, settings, classifier, capsys):
    assert classify([photos], settings, top_k=2, as_json=True) == 0
    found = lines(capsys)
    assert [line["file"] for line in found] == [str(file) for file in find([photos])]
    for line in found:
        assert set(line) == {"file", "predictions", "model"}
        assert line["predictions"][0]["label"] in line["file"]
        assert len(line["predictions"]) == 2
        assert line["model"]["digest"] == classifier.version.digest


def test_a_broken_file_is_reported_and_the_rest_goes_on(photos, settings, capsys):
    (photos / "0 broken.jpg").write_bytes(images.encoded(models.picture("red"), "JPEG")[:200])
    (photos / "sub" / "text.png").write_text("hello")
    (photos / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert classify([photos], settings, top_k=1, as_json=True) == 1
    found = {Path(line["file"]).name: line for line in lines(capsys)}
    assert len(found) == len(models.LABELS) + 3
    codes = {name: line["error"]["code"] for name, line in found.items() if "error" in line}
    assert codes == {"0 broken.jpg": "broken_image", "text.png": "not_an_image", "phone.heic": "unsupported_format"}


def test_text_names_file_labels_and_shares(photos, settings, capsys):
    file = next(file for file in find([photos]) if "blue" in file.name)
    (photos / "bad.jpg").write_bytes(b"")
    assert classify([file, photos / "bad.jpg"], settings, top_k=1, as_json=False) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{file}: blue 100.0%\n"
    assert f"{photos / 'bad.jpg'}: not_an_image: " in captured.err


def test_batches_answer_as_single_files(photos, settings, classifier):
    files = find([photos])
    one_by_one = list(answers(files, classifier, replace(settings, max_batch_size=1), 99))
    together = list(answers(files, classifier, replace(settings, max_batch_size=64), 99))
    for one, other in zip(one_by_one, together, strict=True):
        assert one.file == other.file
        scores = [{each["label"]: each["score"] for each in result.outcome["predictions"]} for result in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)


def test_a_file_that_is_too_large_is_not_read(photos, settings, capsys):
    file = find([photos])[0]
    assert classify([file], replace(settings, max_body_mib=0.001), top_k=1, as_json=True) == 1
    assert lines(capsys)[0]["error"]["code"] == "body_too_large"


def test_a_file_that_may_not_be_read(photos, settings, capsys, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TwinlensError, match="model"):  # the model's own files are read the same way
        classify([photos], settings, top_k=1, as_json=True)
    monkeypatch.undo()
    classifier = Classifier.current(settings)
    monkeypatch.setattr(Path, "open", refuse)
    (result,) = answers(find([photos])[:1], classifier, settings, 1)
    assert result.outcome.code == "broken_image" and "Permission denied" in result.outcome.detail


@pytest.mark.parametrize("name", ["nowhere.jpg", "empty"])
def test_nothing_to_do_is_an_error(name, tmp_path, settings):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TwinlensError) as caught:
        classify([tmp_path / name], settings, top_k=1, as_json=False)
    assert caught.value.code == "invalid_arguments"
    assert name in caught.value.detail


def test_many_files_show_progress_one_file_none(photos, settings, capsys):
    classify([photos], settings, top_k=1, as_json=True)
    assert "8/8" in capsys.readouterr().err
    classify([find([photos])[0]], settings, top_k=1, as_json=True)
    assert capsys.readouterr().err == ""


def test_what_is_no_regular_file_is_not_read(tmp_path, settings, classifier):
    os.mkfifo(tmp_path / "pipe.jpg")
    found = list(answers([tmp_path / "pipe.jpg", Path("/dev/zero")], classifier, settings, 1))
    assert [result.outcome.code for result in found] == ["not_an_image", "not_an_image"]


def test_a_model_that_gives_other_answers_than_its_golden_ones_is_not_used(tmp_path, settings, photos):
    version = models.write(tmp_path) / models.VERSION
    contract = json.loads((version / "contract.json").read_bytes())
    golden = version / contract["golden"]["path"]
    cases = json.loads(golden.read_bytes())
    cases["cases"][0]["logits"].reverse()
    golden.write_text(json.dumps(cases))
    digest = hashlib.sha256(golden.read_bytes()).hexdigest()
    for file in contract["files"]:
        if file["path"] == contract["golden"]["path"]:
            file |= {"sha256": digest, "bytes": golden.stat().st_size}
    contract["golden"]["sha256"] = digest
    (version / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(TwinlensError) as caught:
        classify([photos], replace(settings, models=tmp_path), top_k=1, as_json=True)
    assert caught.value.code == "invalid_model"
