import gzip

import numpy as np
import pytest

from tests import models
from twinlens.errors import TwinlensError
from twinlens.footprint import export_sizes, interleaved, latencies, machine
from twinlens.store import open_current


def test_sizes_are_those_of_the_files_of_each_export(models_folder):
    version = open_current(models_folder / models.NAME)
    sizes = export_sizes(version)
    tfjs = list((version.path / "tfjs").iterdir())
    assert sizes["tfjs"]["files"] == len(tfjs) > 1
    assert sizes["tfjs"]["bytes"] == sum(path.stat().st_size for path in tfjs)
    assert sizes["tfjs"]["gzip_bytes"] == sum(len(gzip.compress(path.read_bytes(), 6, mtime=0)) for path in tfjs)
    assert sizes["onnx"] == {
        "files": 1,
        "bytes": (version.path / "model.onnx").stat().st_size,
        "gzip_bytes": len(gzip.compress((version.path / "model.onnx").read_bytes(), 6, mtime=0)),
    }


def test_a_changed_file_has_no_size(tmp_path):
    folder = models.write(tmp_path)
    (folder / models.VERSION / "model.onnx").write_bytes(b"other")
    with pytest.raises(TwinlensError) as caught:
        export_sizes(open_current(folder))
    assert caught.value.code == "invalid_model"


def test_calls_take_turns_and_the_first_ones_do_not_count(monkeypatch):
    order, now = [], [0.0]
    monkeypatch.setattr("twinlens.footprint.time.perf_counter", lambda: now[0])

    def call(name, seconds):
        def run(turn):
            order.append(name)
            now[0] += seconds + turn

        return run

    times = interleaved([call("a", 0.25), call("b", 0.5)], 3)
    assert order == ["a", "b"] * (len(order) // 2)
    assert len(order) > 6
    np.testing.assert_allclose(times, [[250, 1250, 2250], [500, 1500, 2500]])


def test_every_model_is_given_the_same_photos(classifier, tmp_path):
    files = []
    for colour in models.LABELS:
        files.append(tmp_path / f"{colour}.png")
        models.picture(colour).save(files[-1])
    found = latencies([classifier, classifier], files, rounds=4)
    assert len(found) == 2
    for each in found:
        assert len(each["photo"]["all_ms"]) == len(each["network"]["all_ms"]) == 4
        assert each["photo"]["median_ms"] >= each["network"]["median_ms"] > 0
        assert each["photo"]["p95_ms"] >= each["photo"]["median_ms"]
        assert np.median(each["photo"]["all_ms"]) == pytest.approx(each["photo"]["median_ms"], abs=1e-3)


def test_the_machine_is_named():
    found = machine()
    assert found["cores"] >= 1
    assert all(isinstance(found[key], str) and found[key] for key in ("processor", "onnxruntime"))
