import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tests.unit.training.pictures import LABELS, picture, split_folders
from training import checkpoint, networks
from training.arguments import Arguments
from training.curves import CURVES
from training.data import open_dataset
from training.evaluate import evaluate_logits
from training.learner import moving_average, start
from training.measure import measure
from training.recipe import train
from training.run import RUN, Run, load, load_splits
from twinlens.errors import TwinlensError

ROOT = Path(__file__).parents[3]
SMALL = {"init": "none", "image_size": 32, "train_size": (32,), "batch_size": 8, "workers": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_folders(tmp_path_factory.mktemp("photos"), train=24, validation=6, test=4)


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Arguments, Run]:
    out = tmp_path_factory.mktemp("runs") / "colours"
    arguments = Arguments(photos, out, arch="resnet18", epochs=2, lr_body=2e-3, ema=0.9, **SMALL)  # type: ignore[arg-type]
    return arguments, train(arguments)


def test_a_network_learns(finished: tuple[Arguments, Run]) -> None:
    _, run = finished
    assert run.best is not None
    assert run.best.validation_top1 > 0.6, "guessing gives a third; how much better it gets depends on the processor"


def test_the_run_is_recorded(finished: tuple[Arguments, Run], photos: Path) -> None:
    arguments, run = finished
    assert load(arguments.out) == run
    assert run.labels == sorted(LABELS)
    assert run.counts == {"train": 72, "validation": 18, "test": 12}
    assert run.data_digest == open_dataset(photos).digest
    assert load_splits(arguments.out) == open_dataset(photos).paths()
    assert [epoch.epoch for epoch in run.epochs] == [1, 2]
    assert run.finished == "all epochs are done"
    assert (run.shorter_edge, run.crop, run.init_sha256) == (32, 32, None)
    assert run.arguments["epochs"] == 2
    assert run.versions.keys() == {"python", "torch", "torchvision", "twinlens"}
    written = json.loads((arguments.out / RUN).read_bytes())
    assert written["arguments"]["data"] == str(photos)
    with Image.open(arguments.out / CURVES) as curves:
        assert curves.format == "PNG"
        assert len(np.unique(np.asarray(curves.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_the_kept_weights_are_those_that_were_validated(finished: tuple[Arguments, Run]) -> None:
    arguments, run = finished
    measured = measure(arguments.out, "validation")
    assert run.best is not None
    assert measured.result["top1"] == run.best.validation_top1
    # The run's own loss is of scores that are not calibrated yet.
    uncalibrated = evaluate_logits(measured.logits, measured.targets)
    assert uncalibrated["nll"] == pytest.approx(run.best.validation_loss, rel=1e-5)


def test_the_rate_rises_and_falls(photos: Path, tmp_path: Path) -> None:
    arguments = Arguments(photos, tmp_path / "run", arch="shufflenet_v2_x0_5", epochs=5, warmup=0.4, **SMALL)  # type: ignore[arg-type]
    rates = [(epoch.lr_body, epoch.lr_head) for epoch in train(arguments).epochs]
    bodies = [body for body, _ in rates]
    assert bodies[1] == max(bodies) == pytest.approx(arguments.lr_body, rel=0.02)
    assert bodies[0] < bodies[1] > bodies[2] > bodies[3] > bodies[4]
    assert bodies[4] < arguments.lr_body / 100
    assert all(head == pytest.approx(4 * body) for body, head in rates)


@pytest.mark.parametrize(("batches", "epochs"), [(1, 1), (5, 1), (1, 3)])
def test_the_shortest_runs_have_a_schedule_too(batches: int, epochs: int) -> None:
    arguments = Arguments(Path(), Path(), arch="squeezenet1_1", epochs=epochs, **SMALL)  # type: ignore[arg-type]
    learner = start(arguments, networks.create(arguments.arch, 3), torch.device("cpu"), "float32", batches)
    rates = []
    for _ in range(batches * epochs):
        rates.append(learner.optimizer.param_groups[0]["lr"])
        learner.optimizer.step()
        learner.schedule.step()
    assert all(0 < rate <= arguments.lr_body for rate in rates)


def test_body_and_head_are_all_parameters_once() -> None:
    arguments = Arguments(Path(), Path(), arch="mobilenet_v2", **SMALL)  # type: ignore[arg-type]
    learner = start(arguments, networks.create(arguments.arch, 3), torch.device("cpu"), "float32", 5)
    body, head = (group["params"] for group in learner.optimizer.param_groups)
    assert [tuple(parameter.shape) for parameter in head] == [(3, 1280), (3,)]
    assert {id(parameter) for parameter in [*body, *head]} == {id(p) for p in learner.network.parameters()}
    assert len(body) + len(head) == len(list(learner.network.parameters()))


def test_the_average_follows_quickly_then_slowly_statistics_too() -> None:
    network = nn.BatchNorm1d(1)
    average = AveragedModel(network, multi_avg_fn=moving_average(0.75), use_buffers=True)
    expected = None
    for step in range(40):
        value = float(step)
        nn.init.constant_(network.weight, value)
        network.running_mean = torch.tensor([10 * value])
        average.update_parameters(network)
        decay = min(0.75, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert average.module.weight.item() == pytest.approx(expected, rel=1e-4)
    assert average.module.running_mean.item() == pytest.approx(10 * expected, rel=1e-4)


def test_the_first_layers_keep_their_initial_weights_and_statistics(photos: Path, tmp_path: Path) -> None:
    initial = networks.create("resnet18", 1000).state_dict()
    torch.save(initial, tmp_path / "init.pt")
    small = SMALL | {"init": str(tmp_path / "init.pt")}
    arguments = Arguments(photos, tmp_path / "run", arch="resnet18", epochs=1, **small)  # type: ignore[arg-type]
    train(arguments)
    learned = checkpoint.load_best(arguments.out)
    assert torch.equal(learned["layer2.0.bn2.running_mean"], initial["layer2.0.bn2.running_mean"])
    assert torch.equal(learned["layer1.0.conv1.weight"], initial["layer1.0.conv1.weight"])
    assert not torch.equal(learned["layer4.1.bn2.running_mean"], initial["layer4.1.bn2.running_mean"])
    assert not torch.equal(learned["layer4.1.conv1.weight"], initial["layer4.1.conv1.weight"])


def test_the_crops_grow(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    to_input = networks.to_input

    def watched(pixels: torch.Tensor, *others: Any) -> torch.Tensor:
        seen.append(pixels.shape[1])
        return to_input(pixels, *others)

    monkeypatch.setattr(networks, "to_input", watched)
    small = SMALL | {"train_size": (24, 40)}
    train(Arguments(photos, tmp_path / "run", arch="squeezenet1_1", epochs=5, patience=9, **small))  # type: ignore[arg-type]
    assert seen == [24] * 3 * 9 + [40] * 2 * 9


def test_training_stops_when_validation_gets_no_better(photos: Path, tmp_path: Path) -> None:
    arguments = Arguments(
        photos, tmp_path / "run", arch="squeezenet1_1", epochs=9, patience=2, lr_body=0.0, lr_head=0.0, **SMALL
    )  # type: ignore[arg-type]
    run = train(arguments)
    assert len(run.epochs) == 3
    assert run.finished == "no epoch since 1 was better on validation"


def test_a_loss_that_is_no_number_is_an_error(photos: Path, tmp_path: Path) -> None:
    arguments = Arguments(photos, tmp_path / "run", arch="squeezenet1_1", epochs=3, lr_body=1.0, lr_head=1.0, **SMALL)  # type: ignore[arg-type]
    with pytest.raises(TwinlensError, match="--lr-body") as diverged:
        train(replace(arguments, weight_decay=1e30))
    assert diverged.value.code == "invalid_arguments"


def test_a_run_is_not_overwritten(finished: tuple[Arguments, Run]) -> None:
    arguments, _ = finished
    before = (arguments.out / checkpoint.BEST).stat().st_mtime_ns
    with pytest.raises(TwinlensError, match="--resume goes on with it") as refused:
        train(arguments)
    assert refused.value.code == "already_exists"
    with pytest.raises(TwinlensError, match=r"--seed 0 \(now 1\)") as refused:
        train(replace(arguments, seed=1, resume=True))
    assert refused.value.code == "already_exists"
    assert (arguments.out / checkpoint.BEST).stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_not_written_to(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(TwinlensError, match="no training run") as refused:
        train(Arguments(photos, tmp_path, resume=True, **SMALL))  # type: ignore[arg-type]
    assert refused.value.code == "already_exists"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_finished_run_stays_as_it_is(finished: tuple[Arguments, Run]) -> None:
    arguments, run = finished
    assert train(replace(arguments, resume=True, memory_mib=0)) == run


def test_a_run_that_lost_its_last_checkpoint_begins_again(photos: Path, tmp_path: Path) -> None:
    arguments = Arguments(photos, tmp_path / "run", arch="squeezenet1_1", epochs=1, **SMALL)  # type: ignore[arg-type]
    first = train(arguments)
    (arguments.out / checkpoint.LAST).unlink()
    again = train(replace(arguments, resume=True))
    assert [epoch.validation_loss for epoch in again.epochs] == [epoch.validation_loss for epoch in first.epochs]


def test_a_run_goes_on_with_no_other_photos(photos: Path, tmp_path: Path, finished: tuple[Arguments, Run]) -> None:
    other = split_folders(tmp_path / "photos", train=24, validation=6, test=4)
    picture((0, 0, 0), 5).save(next((other / "train" / "vert").iterdir()))
    with pytest.raises(TwinlensError, match="has changed since") as refused:
        train(replace(finished[0], data=other, resume=True))
    assert refused.value.code == "invalid_data"


def test_a_network_that_cannot_take_the_size_is_refused_before_anything_is_written(
    photos: Path, tmp_path: Path
) -> None:
    arguments = Arguments(photos, tmp_path / "run", arch="vit_b_32", **SMALL)  # type: ignore[arg-type]
    with pytest.raises(TwinlensError, match="--image-size"):
        train(arguments)
    assert not (tmp_path / "run").exists()


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(photos: Path, tmp_path: Path) -> None:
    def command(out: Path) -> list[str]:
        arguments = ["train", str(photos), "--out", str(out), "--init", "none", "--epochs", "3", "--device", "cpu"]
        sizes = ["--image-size", "32", "--train-size", "32", "--batch-size", "4", "--workers", "1", "--seed", "4"]
        return [sys.executable, "-m", "training", *arguments, *sizes]

    def start(out: Path, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command(out), *more], cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)

    def kill(process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    uninterrupted = start(whole)
    process = start(killed)
    try:
        # Once in the first epoch, when there is no checkpoint yet; once in the second.
        _wait((killed / "splits.json").exists, process)
        kill(process)
        assert load(killed).epochs == []
        process = start(killed, "--resume")
        _wait(lambda: len(load(killed).epochs) == 1, process)
        time.sleep(0.3)
        kill(process)
        assert load(killed).finished is None
        process = start(killed, "--resume")
        assert process.wait(timeout=240) == 0
        assert uninterrupted.wait(timeout=240) == 0
    finally:
        for left in (process, uninterrupted):
            if left.poll() is None:
                kill(left)

    for name in (checkpoint.BEST, checkpoint.LAST):
        one, two = checkpoint.load(killed / name), checkpoint.load(whole / name)
        if name == checkpoint.LAST:
            one, two = one["network"], two["network"]
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
    timeless = {"train_seconds": 0.0, "data_seconds": 0.0, "validation_seconds": 0.0}
    epochs = [[epoch.model_copy(update=timeless) for epoch in load(run).epochs] for run in (killed, whole)]
    assert len(epochs[0]) == 3
    assert epochs[0] == epochs[1]
    initial = networks.create("mobilenet_v2", 3).state_dict()
    assert not torch.equal(initial["classifier.1.weight"], checkpoint.load_best(whole)["classifier.1.weight"])
