from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from tests.unit.training.pictures import label_folders, picture
from training.data import LIMITS, Sample, open_dataset
from training.photos import Augmented, Photos, derive_seed, reduced, served
from training.rules import standard
from twinlens.preprocess import load

AUGMENT = v2.Compose([v2.RandomResizedCrop(24), v2.TrivialAugmentWide()])


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return open_dataset(label_folders(tmp_path, count=5)).splits["train"]


@pytest.mark.parametrize("held", [0, 4, 9])
def test_photos_are_the_same_however_many_are_held(samples: list[Sample], held: int) -> None:
    reads: list[Path] = []
    read = reduced(20)

    def counted(path: Path) -> np.ndarray:
        reads.append(path)
        return read(path)

    size = read(samples[0].path).nbytes
    photos = Photos(samples, counted, budget=held * size)
    reads.clear()
    for sample, pixels in zip(samples, photos, strict=True):
        np.testing.assert_array_equal(pixels, read(sample.path))
    assert len(reads) == len(samples) - held


def test_the_served_photo_is_what_the_server_prepares(samples: list[Sample]) -> None:
    rules = standard(shorter_edge=40, crop=32)
    pixels = served(rules)(samples[0].path)
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(pixels, load(samples[0].path.read_bytes(), rules, LIMITS))


def test_photos_are_reduced_whole_and_never_enlarged(tmp_path: Path) -> None:
    picture((200, 0, 0), 1, size=(120, 90)).save(tmp_path / "wide.png")
    assert reduced(30)(tmp_path / "wide.png").shape == (30, 40, 3)
    assert reduced(100)(tmp_path / "wide.png").shape == (90, 120, 3)
    picture((200, 0, 0), 1, size=(2000, 1500)).save(tmp_path / "large.jpg", quality=95)
    from_scaled = reduced(30)(tmp_path / "large.jpg").astype(int)
    with Image.open(tmp_path / "large.jpg") as image:
        whole = np.asarray(image.resize((40, 30), Image.Resampling.BILINEAR)).astype(int)
    assert from_scaled.shape == whole.shape
    assert np.abs(from_scaled - whole).mean() < 2


def test_augmentation_hangs_on_seed_epoch_and_photo_alone(samples: list[Sample]) -> None:
    photos = Photos(samples, reduced(40), budget=1 << 20)
    view = Augmented(photos, AUGMENT, seed=1, epoch=1)
    torch.manual_seed(7)
    forward = [view[index][0] for index in range(len(view))]
    after = torch.rand(1)
    torch.manual_seed(8)
    backward = [view[index][0] for index in reversed(range(len(view)))][::-1]
    assert all(torch.equal(one, two) for one, two in zip(forward, backward, strict=True))
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1)), "augmentation disturbed the other random numbers"
    for other in (Augmented(photos, AUGMENT, 1, 2), Augmented(photos, AUGMENT, 2, 1)):
        assert not all(torch.equal(one, other[index][0]) for index, one in enumerate(forward))
    assert forward[0].shape == (24, 24, 3)
    assert forward[0].dtype == torch.uint8
    assert [view[index][1] for index in range(len(view))] == [sample.label for sample in samples]


def test_worker_processes_augment_as_the_process_itself(samples: list[Sample]) -> None:
    view = Augmented(Photos(samples, reduced(40), budget=1 << 20), AUGMENT, seed=1, epoch=1)
    loaders = [
        torch.utils.data.DataLoader(view, 4),
        torch.utils.data.DataLoader(view, 4, num_workers=2, multiprocessing_context="fork"),
    ]
    for (one, targets_one), (two, targets_two) in zip(*loaders, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(targets_one, targets_two)


def test_derived_seeds_differ() -> None:
    seeds = {derive_seed(seed, epoch, index) for seed in range(5) for epoch in range(5) for index in range(40)}
    assert len(seeds) == 1000
    assert derive_seed(1, 2) != derive_seed(2, 1)
