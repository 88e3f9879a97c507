import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests import models
from twinlens import inference
from twinlens.errors import TwinlensError
from twinlens.inference import Network, available_threads, softmax, top
from twinlens.settings import ROOT
from twinlens.store import open_current


@pytest.fixture(scope="module")
def network(models_folder):
    return Network(open_current(models_folder / models.NAME), threads=1)


@pytest.fixture
def batch():
    return np.random.default_rng(3).integers(0, 256, (7, models.SIZE, models.SIZE, 3), dtype=np.uint8)


def test_logits_are_those_of_the_graph(network, batch):
    found = network.logits(batch)
    assert (found.shape, found.dtype) == ((7, len(models.LABELS)), np.float32)
    assert np.allclose(found, models.logits(batch), atol=1e-4)


def test_a_batch_answers_as_its_photos_one_by_one(network, batch):
    alone = np.concatenate([network.scores(photo[None]) for photo in batch])
    assert np.abs(network.scores(batch) - alone).max() < 1e-5


def test_several_threads_may_run_at_once(network, batch):
    expected = network.scores(batch)
    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(network.scores, [batch] * 16))


def test_outputs_have_their_channels_last(network, batch):
    outputs = network.outputs(batch)
    assert outputs.embedding.shape == (7, 3)
    assert outputs.features.shape == (7, 4, 4, 3)
    patches = batch.reshape(7, 4, 16, 4, 16, 3).mean(axis=(2, 4)) / 255
    assert np.allclose(outputs.features, patches, atol=1e-5)
    assert np.allclose(outputs.embedding, patches.mean(axis=(1, 2)), atol=1e-5)


def test_scores_follow_the_contracts_temperature(models_folder, tmp_path, batch):
    warm = Network(open_current(models.write(tmp_path, temperature=2.5)), threads=1)
    assert np.allclose(warm.scores(batch), softmax(models.logits(batch), 2.5), atol=1e-5)


def test_the_graphs_bytes_are_checked(tmp_path):
    folder = models.write(tmp_path)
    (folder / models.VERSION / "model.onnx").write_bytes(b"other")
    with pytest.raises(TwinlensError) as caught:
        Network(open_current(folder))
    assert caught.value.code == "invalid_model"


def test_softmax_neither_overflows_nor_loses_small_scores():
    scores = softmax(np.asarray([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]], np.float32), 1.0)
    assert np.array_equal(scores[0], [1, 0, 0])
    assert np.allclose(scores[1], 1 / 3) and scores.dtype == np.float64
    assert np.allclose(softmax(np.asarray([2.0, 1.0]), 2.0), np.exp([1.0, 0.5]) / np.exp([1.0, 0.5]).sum())


def test_top_is_best_first_and_keeps_the_order_of_equals():
    scores = np.asarray([0.2, 0.3, 0.2, 0.3])
    assert [each.label for each in top(scores, "abcd", 3)] == ["b", "d", "a"]
    assert top(scores, "abcd", 99) == [("b", 0.3), ("d", 0.3), ("a", 0.2), ("c", 0.2)]
    assert all(type(each.score) is float for each in top(scores, "abcd", 1))


@pytest.mark.parametrize(
    ("files", "cores", "threads"),
    [
        ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, 8, 8),
        ({"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 8, 2),
        ({"/sys/fs/cgroup/cpu.max": "50000 100000\n"}, 8, 1),
        ({"/sys/fs/cgroup/cpu.max": "1600000 100000\n"}, 8, 8),
        ({"/sys/fs/cgroup/cpu.max": "what?\n"}, 3, 3),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 4, 4),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 4, 3),
        ({}, 5, 5),
    ],
)
def test_threads_follow_the_cgroups_limit(files, cores, threads, monkeypatch):
    class CgroupPath(type(pathlib.Path())):
        def read_text(self, *arguments, **options):
            if str(self) not in files:
                raise FileNotFoundError(str(self))
            return files[str(self)]

    monkeypatch.setattr(inference, "Path", CgroupPath)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert available_threads() == threads


def test_a_graph_that_cannot_be_loaded_or_has_other_outputs_is_an_error(tmp_path):
    version = models.write(tmp_path) / models.VERSION
    opened = open_current(version.parent)

    class Damaged:
        path, contract = opened.path, opened.contract

        @staticmethod
        def read(path):
            return opened.read(path)[:200]

    with pytest.raises(TwinlensError, match="cannot be loaded") as caught:
        Network(Damaged())
    assert caught.value.code == "invalid_model"
    graph = opened.contract.graphs.onnx
    logits = graph.logits.model_copy(update={"shape": [None, 99]})
    graphs = opened.contract.graphs.model_copy(update={"onnx": graph.model_copy(update={"logits": logits})})
    Damaged.read = staticmethod(opened.read)
    Damaged.contract = opened.contract.model_copy(update={"graphs": graphs})
    with pytest.raises(TwinlensError, match="does not have the 99 logits"):
        Network(Damaged())


def test_onnx_runtime_keeps_no_identifier_and_reports_nothing(models_folder, tmp_path):
    """Its telemetry begins with files in the home folder; without our variable, a session is enough for them."""
    code = (
        "import pathlib; from twinlens.inference import Network; from twinlens.store import open_current;"
        f"Network(open_current(pathlib.Path({str(models_folder / models.NAME)!r})))"
    )
    # What is kept of the environment has no CI variable in it, which would turn telemetry off as well.
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file()] == []
