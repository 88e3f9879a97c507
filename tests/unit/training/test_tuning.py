from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.training.networks import NORMALIZE
from tests.unit.training.pictures import split_folders
from tests.unit.training.test_run import record
from training import checkpoint, networks, tuning
from training.curves import CURVES
from training.data import open_dataset
from training.deploy import deploy
from training.evaluate import measurements
from training.export import export
from training.measure import measure
from training.published import open_network
from training.run import Run, load, load_splits, save, save_splits
from training.settled import noise
from training.settled import settled as settled_network
from training.tuning import Tuning, tune
from twinlens.errors import TwinlensError
from twinlens.store import ModelVersion

ARCH = "shufflenet_v2_x0_5"
EDGE = 64
WEIGHTS = "int4-channel"
SMALL = {"batch_size": 6, "crop_area": 0.8, "lr": 3e-5, "epochs": 3, "workers": 0, "device": "cpu"}
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return split_folders(tmp_path_factory.mktemp("photos"), train=24, validation=8, test=4)


@pytest.fixture(scope="module")
def source(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose network gives answers that no label explains."""
    run = tmp_path_factory.mktemp("runs") / "float"
    data = open_dataset(photos)
    network = settled_network(ARCH, len(data.labels), noise(16, EDGE, EDGE), NORMALIZE)
    checkpoint.save(run / checkpoint.BEST, network.state_dict())
    of_data = {"labels": data.labels, "data": str(data.path), "data_digest": data.digest, "counts": data.counts}
    rules = {"crop": EDGE, "shorter_edge": EDGE, "mean": NORMALIZE.mean, "std": NORMALIZE.std}
    save(run, record(arch=ARCH, finished="made", **of_data, **rules))
    save_splits(run, data.paths())
    return run


@pytest.fixture(scope="module")
def tuned(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuning, Run]:
    begun = Tuning(source, tmp_path_factory.mktemp("tuned") / "tuned", WEIGHTS, **SMALL)  # type: ignore[arg-type]
    return begun, tune(begun)


@pytest.fixture(scope="module")
def version(tuned: tuple[Tuning, Run], tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return export(tuned[0].out, tmp_path_factory.mktemp("models") / "tuned", weights=WEIGHTS)


def folded(run: Path, weights: str) -> State:
    """The weights that an export of a run writes."""
    opened = load(run)
    network = networks.create(opened.arch, len(opened.labels))
    network.load_state_dict(checkpoint.load_best(run))
    state: State = deploy(network, (EDGE, EDGE), NORMALIZE, weights).network.state_dict()
    return state


def divergence(wanted: np.ndarray, run: Path) -> float:
    """The Kullback-Leibler divergence of a run's scores from other ones, on average over the validation photos."""
    before, after = (torch.tensor(logits).log_softmax(1) for logits in (wanted, measure(run, "validation").logits))
    return float((before.exp() * (before - after)).sum(1).mean())


def same_bits(one: State, two: State) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_tuned_network_answers_nearer_to_what_it_was(source: Path, tuned: tuple[Tuning, Run], tmp_path: Path) -> None:
    before = measure(source, "validation")
    untuned = tune(replace(tuned[0], out=tmp_path / "untuned", epochs=1, lr=0.0))
    plainly, found = (divergence(before.logits, run) for run in (tmp_path / "untuned", tuned[0].out))
    assert found < 0.9 * plainly
    assert untuned.tuned is not None and tuned[1].tuned is not None
    assert untuned.tuned.float_top1 == before.result["top1"]
    assert untuned.tuned.rounded_top1 == untuned.epochs[0].validation_top1
    assert same_bits(folded(tmp_path / "untuned", "float32"), folded(source, WEIGHTS))


def test_the_run_is_recorded(source: Path, photos: Path, tuned: tuple[Tuning, Run]) -> None:
    begun, run = tuned
    assert load(begun.out) == run
    assert load_splits(begun.out) == load_splits(source)
    assert run.data_digest == open_dataset(photos).digest
    assert [epoch.epoch for epoch in run.epochs] == [1, 2, 3]
    assert run.finished == "all epochs are done"
    assert run.epochs[0].train_loss > run.epochs[2].train_loss
    assert run.epochs[0].lr_body > run.epochs[1].lr_body > run.epochs[2].lr_body == pytest.approx(0, abs=1e-9)
    assert (run.arguments["source"], run.arguments["weights"], run.seed) == (str(source), WEIGHTS, 0)
    assert run.tuned is not None
    assert (run.tuned.weights, run.tuned.source) == (WEIGHTS, "the run float")
    assert run.tuned.sha256 == run.init_sha256 == checkpoint.best_sha256(source)
    assert (begun.out / CURVES).is_file()


def test_what_is_kept_is_what_was_validated(tuned: tuple[Tuning, Run]) -> None:
    begun, run = tuned
    assert run.best is not None
    assert measure(begun.out, "validation").result["top1"] == run.best.validation_top1


def test_an_export_writes_the_very_weights_that_were_tuned(tuned: tuple[Tuning, Run], version: ModelVersion) -> None:
    run = tuned[0].out
    assert same_bits(folded(run, WEIGHTS), folded(run, "float32"))
    written = deploy(open_network(version), (EDGE, EDGE), NORMALIZE, "float32").network.state_dict()
    assert same_bits(written, folded(run, "float32"))
    assert "- Tuned for int4-channel" in (version.path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_an_export_with_other_weights_says_what_it_is(
    tuned: tuple[Tuning, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(tuned[0].out, tmp_path / "again", weights=WEIGHTS)
    assert "Note:" not in capsys.readouterr().out
    export(tuned[0].out, tmp_path / "other", weights="float16")
    assert "was tuned for int4-channel, and its weights have no finer numbers" in capsys.readouterr().out


def test_a_published_version_is_tuned_too(tuned: tuple[Tuning, Run], version: ModelVersion, tmp_path: Path) -> None:
    begun = replace(tuned[0], source=version.path, out=tmp_path / "again", epochs=1)
    with pytest.raises(TwinlensError, match="--data DATA") as refused:
        tune(begun)
    assert refused.value.code == "invalid_arguments"
    run = tune(replace(begun, data=Path(tuned[1].data), lr=0.0))
    assert run.tuned is not None
    assert run.tuned.source == f"version {version.contract.model.version} of tuned"
    assert run.tuned.sha256 == version.digest
    assert version.digest in [look["digest"] for look in measurements(tmp_path / "again")]
    assert [line.split(":")[0] for line in run.tuned.origin][:2] == ["- Initial weights", "- Training"]
    # What is rounded already is not changed by rounding it.
    assert same_bits(folded(tmp_path / "again", "float32"), folded(tuned[0].out, "float32"))


@pytest.mark.parametrize("before", [1, 3])
def test_an_interrupted_tuning_ends_with_the_weights_of_one_that_was_not(
    before: int, tuned: tuple[Tuning, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before the first epoch, when there is no checkpoint, or before the third."""
    load_epoch = tuning.load_epoch

    def interrupted(photos: Any, augment: Any, seed: int, epoch: int, *others: Any) -> Any:
        if epoch == before:
            raise KeyboardInterrupt
        return load_epoch(photos, augment, seed, epoch, *others)

    begun = replace(tuned[0], out=tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(tuning, "load_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tune(begun)
    assert load(begun.out).finished is None
    assert len(load(begun.out).epochs) == before - 1
    with pytest.raises(TwinlensError, match="--resume goes on with it"):
        tune(begun)
    again = tune(replace(begun, resume=True))
    assert same_bits(checkpoint.load_best(begun.out), checkpoint.load_best(tuned[0].out))
    one, two = (checkpoint.load(run / checkpoint.LAST)["network"] for run in (begun.out, tuned[0].out))
    assert same_bits(one, two)
    timeless = {"train_seconds": 0.0, "data_seconds": 0.0, "validation_seconds": 0.0}
    epochs = [[epoch.model_copy(update=timeless) for epoch in run.epochs] for run in (again, tuned[1])]
    assert epochs[0] == epochs[1]


def test_a_finished_tuning_stays_as_it_is_and_goes_on_with_nothing_else(
    tuned: tuple[Tuning, Run], tmp_path: Path
) -> None:
    begun, run = tuned
    assert tune(replace(begun, resume=True, memory_mib=0)) == run
    with pytest.raises(TwinlensError, match=r"--lr 3e-05 \(now 0\.1\)") as refused:
        tune(replace(begun, resume=True, lr=0.1))
    assert refused.value.code == "already_exists"


def test_a_tuning_does_not_go_on_from_another_network(tuned: tuple[Tuning, Run], source: Path, tmp_path: Path) -> None:
    moved = tmp_path / "float"
    save(moved, load(source))
    save_splits(moved, load_splits(source))
    checkpoint.save(moved / checkpoint.BEST, checkpoint.load_best(source))
    begun = replace(tuned[0], source=moved, out=tmp_path / "run", epochs=1)
    tune(begun)
    state = checkpoint.load_best(source)
    checkpoint.save(moved / checkpoint.BEST, {name: tensor * 2 for name, tensor in state.items()})
    with pytest.raises(TwinlensError, match=r"is not what .* was begun with") as refused:
        tune(replace(begun, resume=True))
    assert refused.value.code == "invalid_arguments"


def test_what_cannot_be_tuned_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    begun = Tuning(source, tmp_path / "run", WEIGHTS, **SMALL)  # type: ignore[arg-type]
    with pytest.raises(TwinlensError, match="--weights float16 rounds too finely") as refused:
        tune(replace(begun, weights="float16"))
    assert refused.value.code == "invalid_arguments"
    with pytest.raises(TwinlensError, match="neither a training run") as refused:
        tune(replace(begun, source=tmp_path / "nothing"))
    assert refused.value.code == "model_not_found"
    unfinished = tmp_path / "unfinished"
    save(unfinished, load(source).model_copy(update={"finished": None}))
    checkpoint.save(unfinished / checkpoint.BEST, checkpoint.load_best(source))
    with pytest.raises(TwinlensError, match="is not finished") as refused:
        tune(replace(begun, source=unfinished))
    assert refused.value.code == "invalid_arguments"
    among = Path(load(source).data) / "run"
    with pytest.raises(TwinlensError, match="lies in the folder of photos") as refused:
        tune(replace(begun, out=among))
    assert refused.value.code == "invalid_arguments"
    assert not among.exists()
    assert not begun.out.exists()


def test_a_network_that_cannot_be_put_back_is_refused_before_its_photos_are_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TwinlensError("unsupported_operation", "The weight head.bias has no place in the network.")

    monkeypatch.setattr(tuning, "unfold", refuse)
    monkeypatch.setattr(tuning, "open_photos", lambda *_, **__: pytest.fail("photos were read"))
    with pytest.raises(TwinlensError, match="has no place"):
        tune(Tuning(source, tmp_path / "run", WEIGHTS, **SMALL))  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_rate_that_is_too_high_is_said_so(tuned: tuple[Tuning, Run], tmp_path: Path) -> None:
    with pytest.raises(TwinlensError, match=r"The loss became .* with a lower --lr") as refused:
        tune(replace(tuned[0], out=tmp_path / "run", lr=1e30))
    assert refused.value.code == "invalid_arguments"
