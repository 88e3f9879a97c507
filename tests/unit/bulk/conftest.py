from pathlib import Path

import pytest

from tests import images, models
from twinlens.bulk.work import Job
from twinlens.settings import Settings
from twinlens.store import open_current


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A photo of each label, in the order of their names."""
    for index, colour in enumerate(models.LABELS):
        (tmp_path / f"{index}.png").write_bytes(images.encoded(models.picture(colour), "PNG"))
    return sorted(tmp_path.glob("*.png"))


@pytest.fixture
def job(settings: Settings) -> Job:
    """The test model's work on photos."""
    return Job(settings, open_current(settings.model_folder).path)
