import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.unit.training.pictures import split_folders
from training import checkpoint
from training.distributed import ALONE, Group, PartSampler, joined
from training.run import RUN, Run, load
from twinlens.errors import TwinlensError

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_process_alone_samples_as_torch_does() -> None:
    expected = torch.randperm(23, generator=torch.Generator().manual_seed(7)).tolist()
    assert list(PartSampler(range(23), 5, 7, ALONE)) == expected[:20]


def test_the_parts_of_each_batch_make_up_the_batch_of_one_process() -> None:
    alone = PartSampler(range(50), 12, 3, ALONE)
    parts = [PartSampler(range(50), 12, 3, Group(rank, 3)) for rank in range(3)]
    assert [len(part) for part in parts] == [16, 16, 16]
    whole, pieces = list(alone), [list(part) for part in parts]
    for batch in range(4):
        together = [index for piece in pieces for index in piece[batch * 4 : batch * 4 + 4]]
        assert together == whole[batch * 12 : batch * 12 + 12]


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    assert Group(1, 4).part(32) == 8
    with pytest.raises(TwinlensError, match="batch of 30 photos cannot be divided among 4 processes") as refused:
        Group(1, 4).part(30)
    assert refused.value.code == "invalid_arguments"


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined() as group:
        assert group == ALONE
        assert group.share(lambda: "made") == "made"
        assert group.sum(torch.tensor(3.0)) == 3
        network = torch.nn.Linear(1, 1)
        assert group.wrap(network) is network


def words(photos: Path, out: Path) -> list[str]:
    network = "--arch resnet18 --init none --image-size 32 --train-size 32 --batch-size 8 --workers 0 --device cpu"
    numbers = "--lr-body 2e-3 --ema 0.9 --epochs 3"
    return ["train", str(photos), "--out", str(out), *network.split(), *numbers.split()]


def command(photos: Path, out: Path) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training"]
    return [sys.executable, *launcher, *words(photos, out)]


def torchrun(photos: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(photos, out), *more], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_folders(tmp_path_factory.mktemp("photos"), train=24, validation=6, test=4)


@pytest.fixture(scope="module")
def together(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run, str]:
    out = tmp_path_factory.mktemp("runs") / "two"
    done = torchrun(photos, out)
    assert done.returncode == 0, done.stderr
    return out, load(out), done.stdout


def test_two_processes_train_one_network(together: tuple[Path, Run, str]) -> None:
    out, run, said = together
    assert run.processes == 2
    assert run.finished == "all epochs are done"
    assert run.best is not None
    assert run.best.validation_top1 > 0.8
    assert said.count("epoch 1/3") == 1, "the first process alone speaks"
    # 72 photos in 9 batches of 8: one step each, not one for each process.
    assert int(checkpoint.load(out / checkpoint.LAST)["average"]["n_averaged"]) == 27


@pytest.mark.heavy
def test_two_processes_go_on_exactly_where_they_were_killed(
    together: tuple[Path, Run, str], photos: Path, tmp_path: Path
) -> None:
    whole, _, _ = together
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command(photos, out), cwd=ROOT, env=ENVIRONMENT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 240
        while not ((out / RUN).exists() and load(out).epochs):
            assert process.poll() is None, "the training ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        # torchrun gives each of its processes a session of its own.
        processes = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in processes:
            one.kill()
        process.wait()
    psutil.wait_procs(processes)
    assert load(out).finished is None
    done = torchrun(photos, out, "--resume")
    assert done.returncode == 0, done.stderr
    one, two = (checkpoint.load_best(run) for run in (out, whole))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_as_many_processes_go_on_as_began(together: tuple[Path, Run, str], photos: Path) -> None:
    alone = subprocess.run(
        [sys.executable, "-m", "training", *words(photos, together[0]), "--resume"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert alone.returncode == 2
    assert "begun with 2 processes (now 1)" in alone.stderr
