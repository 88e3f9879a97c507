"""One version after another in one engine: who is answered by what, and what is left of those before."""

import asyncio
import gc
import threading
import weakref
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from tests import images, models
from tests.unit.similar import made
from twinlens import classifier as classifiers
from twinlens import store
from twinlens.errors import TwinlensError
from twinlens.http import follow
from twinlens.http.engine import Engine
from twinlens.http.metrics import Metrics
from twinlens.similar.build import build
from twinlens.similar.options import Options

PHOTO = images.encoded(models.picture("magenta"), "PNG")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(follow, "LOOK_SECONDS", 0.01)


@pytest.fixture
def folder(tmp_path):
    return models.write(tmp_path)


def run(settings, folder, test):
    async def body():
        registry = CollectorRegistry()
        engine = Engine(replace(settings, models=folder.parent), Metrics(registry))
        engine.start()
        await engine._loading
        try:
            await test(engine, registry)
        finally:
            await engine.stop()

    asyncio.run(asyncio.wait_for(body(), 60))


def renamed(version):
    """Labels that say of which version they are, so that a mixed answer is seen."""
    return [{"name": f"{label} {version}", "display": {"en": label}} for label in models.LABELS]


async def until(engine, version):
    while engine.version.contract.model.version != version:
        await asyncio.sleep(0.005)


def test_a_version_that_is_published_answers_from_then_on(settings, folder):
    async def test(engine, registry):
        first = engine.version.digest
        models.write(folder.parent, version="v2", labels=renamed("v2"))
        await until(engine, "v2")
        answer = await engine.classify(PHOTO, 1)
        assert answer["predictions"][0]["label"] == "magenta v2"
        assert answer["model"] == {"name": "colours", "version": "v2", "digest": engine.version.digest}
        found = {sample.labels["digest"]: sample.value for sample in _samples(registry, "twinlens_model_info")}
        assert found == {first: 0, engine.version.digest: 1}
        assert registry.get_sample_value("twinlens_model_publications_total", {"outcome": "taken"}) == 1
        store.set_current(folder, "v1")
        await until(engine, "v1")
        assert (await engine.classify(PHOTO, 1))["predictions"][0]["label"] == "magenta"

    run(settings, folder, test)


def hold_v1(monkeypatch):
    """Have the first version keep its requests until an event is set.

    :return: that event, and the one that says that it has begun with a request.
    """
    held, begun, scores = threading.Event(), threading.Event(), classifiers.Classifier.scores

    def slow(self, pixels):
        if self.contract.model.version == "v1":
            begun.set()
            held.wait(20)
        return scores(self, pixels)

    monkeypatch.setattr(classifiers.Classifier, "scores", slow)
    return held, begun


def test_a_request_ends_with_the_version_that_it_began_with(settings, folder, monkeypatch):
    async def test(engine, registry):
        held, begun = hold_v1(monkeypatch)
        old = engine._model
        waiting = [asyncio.create_task(engine.classify(PHOTO, 1)) for _ in range(3)]
        await asyncio.to_thread(begun.wait, 20)
        models.write(folder.parent, version="v2", labels=renamed("v2"))
        await until(engine, "v2")
        assert (await engine.classify(PHOTO, 1))["model"]["version"] == "v2"
        assert old.in_hand == 3 and not any(task.done() for task in waiting)
        held.set()
        answers = await asyncio.gather(*waiting)
        assert [answer["model"]["version"] for answer in answers] == ["v1"] * 3
        assert [answer["predictions"][0]["label"] for answer in answers] == ["magenta"] * 3
        assert old.in_hand == 0
        with pytest.raises(RuntimeError):  # its threads have ended
            await old.decode(PHOTO)

    run(settings, folder, test)


def test_there_are_never_more_than_two_models(settings, folder, monkeypatch):
    """A request that takes its time holds the version that it began with; a third one waits for it."""

    async def test(engine, registry):
        held, begun = hold_v1(monkeypatch)
        waiting = asyncio.create_task(engine.classify(PHOTO, 1))
        await asyncio.to_thread(begun.wait, 20)
        models.write(folder.parent, version="v2", labels=renamed("v2"))
        await until(engine, "v2")
        models.write(folder.parent, version="v3", labels=renamed("v3"))
        await asyncio.sleep(0.3)
        assert engine.version.contract.model.version == "v2"
        held.set()
        assert (await waiting)["model"]["version"] == "v1"
        await until(engine, "v3")

    run(settings, folder, test)


def test_the_memory_of_a_version_that_was_replaced_is_given_back(settings, folder):
    async def test(engine, registry):
        gone = weakref.ref(engine._model.classifier)
        await engine.classify(PHOTO, 1)
        models.write(folder.parent, version="v2")
        await until(engine, "v2")
        await engine.classify(PHOTO, 1)
        for _ in range(200):
            gc.collect()
            if gone() is None:
                break
            await asyncio.sleep(0.01)
        assert gone() is None

    run(settings, folder, test)


@pytest.mark.parametrize("what", ["model.onnx", "tfjs/model.json", "golden/red.png", "contract.json"])
def test_a_version_that_is_not_whole_changes_nothing_and_is_logged_once(settings, folder, caplog, what):
    models.write(folder.parent, version="v2")
    store.set_current(folder, "v1")
    (folder / "v2" / what).write_bytes(b"cut off")

    async def test(engine, registry):
        caplog.clear()
        store.set_current(folder, "v2")
        while not registry.get_sample_value("twinlens_model_publications_total", {"outcome": "refused"}):
            await asyncio.sleep(0.005)
        (folder / "current").write_text("v2\n\n")  # looked at again, and wrong for the same reason
        await asyncio.sleep(0.2)
        assert engine.version.contract.model.version == "v1"
        assert (await engine.classify(PHOTO, 1))["predictions"][0]["label"] == "magenta"
        assert registry.get_sample_value("twinlens_model_publications_total", {"outcome": "refused"}) == 1
        said = [record.message for record in caplog.records]
        assert len(said) == 1 and "cannot be used, and v1 goes on" in said[0]

    run(settings, folder, test)


def test_answers_that_are_not_the_golden_ones_are_a_reason_too(settings, folder, caplog):
    async def test(engine, registry):
        models.write(folder.parent, version="v2", resize=dict(models.RESIZE, shorter_edge=100))
        while not registry.get_sample_value("twinlens_model_publications_total", {"outcome": "refused"}):
            await asyncio.sleep(0.005)
        assert engine.version.contract.model.version == "v1"
        assert "golden" in caplog.text

    run(settings, folder, test)


def test_with_an_index_a_version_waits_until_the_index_is_of_it(settings, folder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(follow, "_RETRY_SECONDS", 0.01)
    photos = made.photos(tmp_path / "photos")
    settings = replace(settings, models=folder.parent, model=folder.name, index=tmp_path / "index")
    build(photos, settings.index, settings, Options(), 1)

    async def test(engine, registry):
        caplog.clear()
        models.write(folder.parent, version="v2", labels=renamed("v2"))
        while not registry.get_sample_value("twinlens_model_publications_total", {"outcome": "refused"}):
            await asyncio.sleep(0.005)
        label, similar = await asyncio.gather(engine.classify(PHOTO, 1), engine.similar(PHOTO, 1))
        assert label["model"]["version"] == similar["model"]["version"] == "v1"
        await asyncio.get_running_loop().run_in_executor(None, build, photos, settings.index, settings, Options(), 1)
        await until(engine, "v2")
        similar = await engine.similar(PHOTO, 1)
        assert (similar["model"]["version"], similar["neighbours"][0]["label"]) == ("v2", "magenta")
        assert sum("index_mismatch" in record.message for record in caplog.records) == 1

    run(settings, folder, test)


def test_a_first_model_that_comes_late_is_taken_up(settings, tmp_path):
    async def test(engine, registry):
        with pytest.raises(TwinlensError) as caught:
            await engine.classify(PHOTO, 1)
        assert caught.value.code == "not_ready"
        models.write(tmp_path)
        while engine._model is None:
            await asyncio.sleep(0.005)
        assert (await engine.classify(PHOTO, 1))["predictions"][0]["label"] == "magenta"

    run(settings, tmp_path / models.NAME, test)


def _samples(registry, name):
    return [sample for family in registry.collect() for sample in family.samples if sample.name == name]
