"""What tests of every kind share: the made model, and settings that name it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from tests import models
from twinlens.classifier import Classifier
from twinlens.settings import PREFIX, Settings

# Threads of torch that spin while they wait take the cores from whatever else runs, as training/__main__.py says.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side share the cores: more threads in each would only wait for those of the others.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models that holds the made one; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    models.write(folder)
    return folder


@pytest.fixture(scope="session")
def settings(models_folder: Path) -> Settings:
    """Settings that name the made model, all else by default."""
    return Settings(models=models_folder, model=models.NAME, threads=1, decode_threads=2)


@pytest.fixture(scope="session")
def classifier(settings: Settings) -> Classifier:
    """The made model, loaded."""
    return Classifier.current(settings)


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that someone has in their environment must not change what is tested."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
