import hashlib
import json

import numpy as np
import pytest

from tests import models
from twinlens import golden
from twinlens.errors import TwinlensError
from twinlens.inference import Network
from twinlens.store import open_current


@pytest.fixture
def folder(tmp_path):
    return models.write(tmp_path)


def damaged(folder, change):
    """The model with another golden file, and a contract that names its digest."""
    version = folder / models.VERSION
    document = json.loads((version / "golden" / "golden.json").read_bytes())
    change(document["cases"])
    data = json.dumps(document).encode()
    (version / "golden" / "golden.json").write_bytes(data)
    contract = json.loads((version / "contract.json").read_bytes())
    for file in contract["files"]:
        if file["path"] == "golden/golden.json":
            file.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
    contract["golden"]["sha256"] = hashlib.sha256(data).hexdigest()
    (version / "contract.json").write_text(json.dumps(contract))
    return Network(open_current(folder), threads=1)


def refused(network, **options):
    with pytest.raises(TwinlensError) as caught:
        golden.check(network, **options)
    assert caught.value.code == "invalid_model"
    return caught.value.detail


def test_a_model_gives_its_golden_answers(folder):
    golden.check(Network(open_current(folder), threads=1))


def test_other_logits_are_refused(folder):
    network = damaged(folder, lambda cases: cases[1]["logits"].__setitem__(0, 5.0))
    golden.check(network, only_first=True)
    assert "'yellow'" in refused(network) and "logits" in refused(network)


def test_logits_that_are_no_numbers_are_refused(folder):
    network = damaged(folder, lambda cases: cases[0].update(logits=[float("nan")] * len(models.LABELS)))
    refused(network, only_first=True)


def test_other_pixels_are_refused(folder):
    network = damaged(folder, lambda cases: cases[0].update(input_sha256="0" * 64))
    assert "other pixels" in refused(network, only_first=True)


def test_a_golden_file_is_read_as_it_was_written(folder):
    version = open_current(folder)
    found = list(golden.cases(version))
    assert golden.dump(found) == version.read("golden/golden.json")
    assert [case.name for case in found] == ["red", "yellow"]
    assert found[0].logits.dtype == np.float32


def test_a_changed_golden_file_is_refused(folder):
    (folder / models.VERSION / "golden" / "golden.json").write_text('{"cases": []}')
    refused(Network(open_current(folder), threads=1))


def test_a_golden_file_without_cases_proves_nothing(folder):
    network = damaged(folder, lambda cases: cases.clear())
    assert "no case" in refused(network)


def test_a_digest_that_is_not_the_golden_files_is_refused(folder):
    contract = json.loads((folder / models.VERSION / "contract.json").read_bytes())
    contract["golden"]["sha256"] = "0" * 64
    (folder / models.VERSION / "contract.json").write_text(json.dumps(contract))
    refused(Network(open_current(folder), threads=1))


def test_the_error_is_relative_to_the_largest_logit():
    assert golden.relative_error(np.asarray([10.0, 1.0]), np.asarray([8.0, -1.0])) == 0.25


def test_the_digest_of_an_input_is_of_its_rows():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert golden.input_sha256(pixels) == hashlib.sha256(bytes(range(24))).hexdigest()
    assert golden.input_sha256(pixels[:, ::-1]) != golden.input_sha256(pixels)


def test_a_version_is_whole_with_every_file_and_every_answer(folder):
    golden.check_whole(Network(open_current(folder), threads=1))
    (folder / models.VERSION / "tfjs" / "model.json").write_bytes(b"{}")
    network = Network(open_current(folder), threads=1)
    with pytest.raises(TwinlensError, match="tfjs") as caught:
        golden.check_whole(network)
    assert caught.value.code == "invalid_model"
