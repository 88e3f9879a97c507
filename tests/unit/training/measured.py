"""Made photos, a made model and a made run for what is measured on them."""

from pathlib import Path
from typing import Any

from tests import models
from tests.unit.training.test_run import record
from training import checkpoint, networks
from training.data import DataSet, open_dataset
from training.model_card import CARD
from training.run import save, save_splits

COLOURS = ("red", "green", "white")


def write_photos(folder: Path) -> Path:
    """Four photos of each colour in each split; in test, one green one is in the folder of the red ones.

    :return: the folder.
    """
    for first, split in enumerate(("train", "validation", "test")):
        for colour in COLOURS:
            (folder / split / colour).mkdir(parents=True)
            for index in range(4):
                shown = "green" if (split, colour, index) == ("test", "red", 0) else colour
                picture = models.picture(shown, width=80 + index, noise=10 + first)
                picture.save(folder / split / colour / f"{index}.png")
    return folder


def write_model(models_folder: Path, photos: Path, **changes: Any) -> Path:
    """The model that names colours, as if it had been trained on the photos.

    :param changes: fields of its contract to set otherwise.
    :return: the model's folder.
    """
    data = open_dataset(photos)
    folder = models.write(models_folder, dataset={"digest": data.digest, "counts": data.counts}, **changes)
    (folder / models.VERSION / CARD).write_text("# Colours\n", encoding="utf-8")
    return folder


def write_run(folder: Path, data: DataSet) -> Path:
    """A run whose network learned nothing.

    :return: its folder.
    """
    network = networks.create("squeezenet1_1", len(data.labels))
    checkpoint.save(folder / checkpoint.BEST, network.state_dict())
    fields = {"labels": data.labels, "data": str(data.path), "data_digest": data.digest, "counts": data.counts}
    save(folder, record(arch="squeezenet1_1", crop=32, shorter_edge=32, **fields))
    save_splits(folder, data.paths())
    return folder
