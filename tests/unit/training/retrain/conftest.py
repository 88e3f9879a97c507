"""A data set with its model, and a training whose outcome the test says."""

import pytest

from tests import models
from tests.unit.training.retrain.made import data_set, model
from training import checkpoint
from training.retrain import candidate
from training.retrain.request import Request
from twinlens import publishing, store
from twinlens.dataset import manifest


@pytest.fixture
def asked(tmp_path):
    """A data set, and a model that was trained on it."""
    rows = data_set(tmp_path / "data")
    return Request(tmp_path / "data", model(tmp_path / "models", rows), tmp_path / "out", "ana", page=False)


@pytest.fixture
def otherwise():
    """In what else a candidate differs, as :func:`tests.models.write` takes it."""
    return {}


@pytest.fixture
def learned(monkeypatch, otherwise):
    """Says what a training has learned: which name each colour has for it."""
    names: dict[str, str] = {}

    def learn(data, out, source, contract, weights, recipe, resume):
        checkpoint.save(out / candidate.RUN / checkpoint.BEST, {})
        manifest.write(out / candidate.RUN, manifest.require(data))
        return out / candidate.RUN

    def make(run, out, folder, data, weights):
        made = out / candidate.CANDIDATE / folder.name
        if not made.exists():
            labels = [{"name": names.get(label, label), "display": {"en": label}} for label in models.LABELS]
            dataset = {"digest": manifest.digest(manifest.require(run)), "counts": {"train": 12}}
            version = f"v{len(publishing.history(folder)) + 2}"
            models.write(made.parent, made.name, version, labels=labels, dataset=dataset, **otherwise)
        return store.open_current(made)

    monkeypatch.setattr(candidate, "learn", learn)
    monkeypatch.setattr(candidate, "make", make)
    return names
