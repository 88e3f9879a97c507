from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.training.pictures import label_folders, split_folders
from training import checkpoint, networks
from training.arguments import Arguments
from training.cli import main
from training.evaluate import measurements
from training.export import export
from training.measure import measure
from training.recipe import train
from training.run import Tuned, load, load_splits, save
from training.soup import average, soup
from twinlens.errors import TwinlensError

Begin = Callable[..., Path]


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Begin:
    """Trains a small run that began from one file of weights; every call with the same arguments gives the same run."""
    folder = tmp_path_factory.mktemp("soups")
    photos = split_folders(folder / "photos", train=12, validation=4, test=3)
    torch.manual_seed(0)
    torch.save(networks.create("squeezenet1_1", 1000).state_dict(), folder / "init.pt")

    def make(name: str, **others: object) -> Path:
        small = Arguments(photos, folder / name, arch="squeezenet1_1", init=str(folder / "init.pt"), epochs=2)
        sized = replace(small, image_size=32, train_size=(32,), batch_size=8, workers=0, device="cpu")
        train(replace(sized, resume=True, **others))  # type: ignore[arg-type]
        return folder / name

    return make


@pytest.fixture(scope="module")
def runs(begin: Begin) -> list[Path]:
    return [begin(f"run {seed}", seed=seed) for seed in range(3)]


def test_what_is_kept_is_averaged_and_what_comes_of_it_is_a_run(runs: list[Path], tmp_path: Path) -> None:
    out = soup(runs, tmp_path / "soup")
    record = load(out)
    assert record.finished and "the average of" in record.finished
    assert {part.seed for part in record.soup} == {0, 1, 2}
    losses = [part.validation_loss for part in record.soup]
    assert losses == sorted(losses) and record.soup[0].kept
    kept = [checkpoint.load_best(run) for run in runs if load(run).seed in {p.seed for p in record.soup if p.kept}]
    mixed = checkpoint.load_best(out)
    for name, tensor in mixed.items():
        assert torch.allclose(tensor.double(), sum(state[name].double() for state in kept) / len(kept), atol=1e-6)
    assert measure(out, "validation").result["n"] == 12
    version = export(out, tmp_path / "model")
    card = (version.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"the mean of the weights of {len(kept)} runs, of 3 that were tried" in card


def test_a_run_that_makes_it_worse_is_left_out(runs: list[Path], begin: Begin, tmp_path: Path) -> None:
    bad = begin("bad", seed=9)
    state = checkpoint.load_best(bad)
    checkpoint.save(bad / checkpoint.BEST, {name: 3 * tensor.flip(0) for name, tensor in state.items()})
    record = load(soup([bad, runs[0]], tmp_path / "soup"))
    assert [(part.run, part.kept) for part in record.soup] == [("run 0", True), ("bad", False)]
    alone, mixed = checkpoint.load_best(runs[0]), checkpoint.load_best(tmp_path / "soup")
    assert all(torch.equal(alone[name], mixed[name]) for name in alone)


def test_the_mean_takes_statistics_too_and_counts_from_the_first() -> None:
    states = [
        {"mean": torch.tensor([1.0, 3.0]), "num_batches_tracked": torch.tensor(4)},
        {"mean": torch.tensor([2.0, 5.0]), "num_batches_tracked": torch.tensor(9)},
    ]
    found = average(states)
    assert found["mean"].tolist() == [1.5, 4.0]
    assert found["num_batches_tracked"].item() == 4


def test_runs_that_do_not_go_together_are_refused(runs: list[Path], begin: Begin, tmp_path: Path) -> None:
    others = {
        "init sha256": replace_init(begin, tmp_path),
        "shorter edge": begin("larger", image_size=40),
    }
    for what, other in others.items():
        with pytest.raises(TwinlensError, match=f"differ in their {what}") as refused:
            soup([runs[0], other], tmp_path / "soup")
        assert refused.value.code == "invalid_arguments"
    with pytest.raises(TwinlensError, match="began from random weights"):
        soup([begin("random", init="none"), runs[0]], tmp_path / "soup")
    with pytest.raises(TwinlensError, match="two runs at least"):
        soup([runs[0], runs[0]], tmp_path / "soup")
    photos = Path(load(runs[0]).data)
    with pytest.raises(TwinlensError, match="lies in the folder of photos") as refused:
        soup(runs, photos / "soup")
    assert refused.value.code == "invalid_arguments"
    assert not (photos / "soup").exists()
    assert not (tmp_path / "soup").exists()


def replace_init(begin: Begin, tmp_path: Path) -> Path:
    """A run that began from other weights."""
    torch.save(networks.create("squeezenet1_1", 1000).state_dict(), tmp_path / "other.pt")
    return begin("other init", init=str(tmp_path / "other.pt"))


def test_a_run_that_has_not_finished_is_refused(begin: Begin, tmp_path: Path, runs: list[Path]) -> None:
    unfinished = begin("unfinished", seed=5)
    save(unfinished, load(unfinished).model_copy(update={"finished": None}))
    with pytest.raises(TwinlensError, match="not finished"):
        soup([runs[0], unfinished], tmp_path / "soup")


def test_a_tuned_run_is_refused(begin: Begin, tmp_path: Path, runs: list[Path]) -> None:
    made = begin("tuned", seed=6)
    tuned = Tuned(weights="int4-channel", source="a", sha256="ab" * 32, origin=[], float_top1=1.0, rounded_top1=1.0)
    save(made, load(made).model_copy(update={"tuned": tuned}))
    with pytest.raises(TwinlensError, match="Make the soup first, and tune it") as refused:
        soup([runs[0], made], tmp_path / "soup")
    assert refused.value.code == "invalid_arguments"


def test_the_command_says_what_it_kept_and_never_overwrites(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["soup", *map(str, runs), "--out", str(tmp_path / "soup")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.count("validation top-1") >= 4 and ("kept" in said or "left out" in said)
    before = (tmp_path / "soup" / checkpoint.BEST).read_bytes()
    assert main(words) == 2
    assert "already_exists" in capsys.readouterr().err
    assert (tmp_path / "soup" / checkpoint.BEST).read_bytes() == before


def test_looks_at_test_of_what_went_in_are_the_soups_too(begin: Begin, runs: list[Path], tmp_path: Path) -> None:
    looked = begin("looked", seed=7)
    found = measure(looked, "test").result
    out = soup([runs[0], looked], tmp_path / "soup")
    (look,) = [look for look in measurements(out) if look["digest"] == found["digest"]]
    assert look["what"].startswith("weights of the run looked, epoch ")
    assert look["date"] == found["date"]


def test_runs_of_other_seeds_have_one_split_of_a_folder_that_has_none(begin: Begin, tmp_path: Path) -> None:
    photos = label_folders(tmp_path / "photos", 8)
    one, two = (begin(f"of a folder {seed}", data=photos, seed=seed) for seed in range(2))
    assert load_splits(one) == load_splits(two)
    assert len(load(soup([one, two], tmp_path / "soup")).soup) == 2
    other = begin("of another split", data=photos, split_seed=1)
    with pytest.raises(TwinlensError, match=r"differ in their data digest .* the same --split-seed") as refused:
        soup([one, other], tmp_path / "other")
    assert refused.value.code == "invalid_arguments"
