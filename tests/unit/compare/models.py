"""Two made models that differ as a test wants, and a folder of labelled pictures for them."""

from pathlib import Path

from tests import models
from twinlens.classifier import Classifier
from twinlens.settings import Settings
from twinlens.store import open_model

SETTINGS = Settings(threads=1, decode_threads=2)


def renamed(folder: Path, name: str, names: dict[str, str]) -> Path:
    """The model that names colours, with other names for some of them: it answers "white" where A says "black".

    :return: the model's folder.
    """
    labels = [
        {"name": names.get(label, label), "display": {"en": names.get(label, label).capitalize(), "zh": f"颜色{index}"}}
        for index, label in enumerate(models.LABELS)
    ]
    return models.write(folder, name, labels=labels, not_sure={"threshold": 0.9, "rule": "made up for tests"})


def pair(folder: Path, names: dict[str, str]) -> tuple[Path, Path]:
    """A, which names every colour, and B, which has other names for some."""
    return models.write(folder), renamed(folder, "other", names)


def opened(folders: tuple[Path, Path]) -> list[Classifier]:
    """Both, loaded."""
    return [Classifier(open_model(folder), SETTINGS) for folder in folders]


def labelled(root: Path, counts: dict[str, int]) -> Path:
    """A folder of pictures for each colour.

    :return: the root.
    """
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            models.picture(label, width=80 + index).save(root / label / f"图 {index}.png")
    return root
