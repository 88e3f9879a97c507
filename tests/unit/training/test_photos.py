from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from tests.images import encoded
from tests.unit.training.pictures import label_folders, picture
from training import photos as photos_module
from training.data import Sample, open_dataset
from training.files import LIMITS
from training.photos import Augmented, Held, Photos, derive_seed, open_reduced, reduced, served
from training.rules import standard
from twinlens.preprocess import load

AUGMENT = v2.Compose([v2.RandomResizedCrop(24), v2.TrivialAugmentWide()])


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    return open_dataset(label_folders(tmp_path, count=5)).splits["train"]


def small(path: Path) -> np.ndarray:
    return reduced(path.read_bytes(), 20)


def whole(path: Path) -> np.ndarray:
    return reduced(path.read_bytes(), 40)


@pytest.mark.parametrize("held", [0, 4, 9])
def test_photos_are_the_same_however_many_are_held(samples: list[Sample], held: int) -> None:
    reads: list[Path] = []

    def counted(path: Path) -> np.ndarray:
        reads.append(path)
        return small(path)

    photos = Photos(samples, counted, budget=held * small(samples[0].path).nbytes)
    assert photos.held == held
    reads.clear()
    for sample, pixels in zip(samples, photos, strict=True):
        np.testing.assert_array_equal(pixels, small(sample.path))
    assert len(reads) == len(samples) - held


def test_what_is_held_already_is_not_read_and_what_is_not_wanted_makes_room(samples: list[Sample]) -> None:
    pixels = small(samples[0].path)
    held = Held(3 * pixels.nbytes)
    for path in (samples[0].path, Path("one"), Path("two"), Path("too many")):
        held.put(path, pixels)
    assert held.full and held.get(Path("too many")) is None
    reads: list[Path] = []
    photos = Photos(samples[:2], lambda path: reads.append(path) or pixels, held)
    assert reads == [samples[1].path]
    assert photos.held == 2 and held.get(Path("one")) is None and not held.full


def test_every_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label_folders(tmp_path, count=10)
    decoded: list[bytes] = []
    monkeypatch.setattr(photos_module, "reduced", lambda data, *rest: decoded.append(data) or reduced(data, *rest))
    data, photos = open_reduced(tmp_path, 0, 20, 1.0, 1 << 20)
    for index, sample in enumerate(data.splits["train"]):
        np.testing.assert_array_equal(photos[index], small(sample.path))
    assert sorted(decoded) == sorted(path.read_bytes() for path in tmp_path.rglob("*.png"))
    assert data == open_dataset(tmp_path)
    assert (photos.held, len(photos)) == (24, 24)


def test_the_served_photo_is_what_the_server_prepares(samples: list[Sample]) -> None:
    rules = standard(shorter_edge=40, crop=32)
    pixels = served(rules)(samples[0].path)
    assert pixels.shape == (32, 32, 3)
    np.testing.assert_array_equal(pixels, load(samples[0].path.read_bytes(), rules, LIMITS))


def test_photos_are_reduced_whole_and_never_enlarged() -> None:
    wide = encoded(picture((200, 0, 0), 1, size=(120, 90)), "PNG")
    assert reduced(wide, 30).shape == (30, 40, 3)
    assert reduced(wide, 100).shape == (90, 120, 3)


def test_photos_are_squeezed_as_the_served_box_is() -> None:
    wide, high = (encoded(picture((200, 0, 0), 1, size=size), "PNG") for size in ((120, 90), (90, 120)))
    assert reduced(wide, 30, 1.25).shape == (30, 32, 3)
    assert reduced(high, 30, 1.25).shape == (32, 30, 3)
    assert reduced(wide, 30, 2.0).shape == (30, 30, 3)  # as far as the photo reaches, and no further
    rules = standard(shorter_edge=30, crop=30, squeeze=1.25)
    served_pixels = load(wide, rules, LIMITS).astype(int)
    assert np.abs(reduced(wide, 30, 1.25)[:, 1:31] - served_pixels).mean() < 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_large_photo_is_reduced_with_little_loss(kind: str) -> None:
    photo = picture((200, 0, 0), 1, size=(2000, 1500))
    exactly = np.asarray(photo.resize((40, 30), Image.Resampling.BILINEAR)).astype(int)
    found = reduced(encoded(photo, kind, quality=95), 30).astype(int)
    assert found.shape == exactly.shape
    assert np.abs(found - exactly).mean() < 2


@pytest.mark.parametrize("size", [(900, 3), (3, 900), (400, 70)])
def test_of_a_very_long_photo_the_middle_is_kept(size: tuple[int, int]) -> None:
    photo = picture((200, 0, 0), 1, size)
    found = reduced(encoded(photo, "PNG"), 100)
    width, height = (min(edge, 4 * min(size)) for edge in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    middle = np.asarray(photo.crop((left, top, left + width, top + height)))
    np.testing.assert_array_equal(found, middle)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_the_smallest_photos_can_be_learned_from_and_served(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "tiny.png"
    Image.new("RGB", size, (10, 200, 30)).save(path)
    pixels, _ = Augmented(Photos([Sample(path, 0)], whole), v2.RandomResizedCrop(24), seed=0, epoch=1)[0]
    assert pixels.shape == (24, 24, 3)
    assert (pixels == torch.tensor([10, 200, 30], dtype=torch.uint8)).all()
    assert served(standard(32, 32))(path).shape == (32, 32, 3)


def test_augmentation_hangs_on_seed_epoch_and_photo_alone(samples: list[Sample]) -> None:
    photos = Photos(samples, whole, budget=1 << 20)
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
    view = Augmented(Photos(samples, whole, budget=1 << 20), AUGMENT, seed=1, epoch=1)
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
