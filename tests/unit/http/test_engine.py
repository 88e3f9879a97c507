import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from tests import images, models
from tests.unit.similar import made
from twinlens import classifier as classifiers
from twinlens.errors import TwinlensError
from twinlens.http import engine as engines
from twinlens.http.engine import Engine
from twinlens.http.metrics import Metrics
from twinlens.similar.build import build
from twinlens.similar.index import Index
from twinlens.similar.options import Options

PHOTO = images.encoded(models.picture("magenta"), "JPEG", quality=95)


def run(settings, test):
    """Run a test on an engine that is ready."""

    async def body():
        registry = CollectorRegistry()
        engine = Engine(settings, Metrics(registry))
        engine.start()
        await engine._loading
        try:
            await test(engine, registry)
        finally:
            await engine.stop()

    asyncio.run(asyncio.wait_for(body(), 60))


@pytest.mark.parametrize("batching", [True, False])
def test_answers(settings, classifier, batching):
    async def test(engine, registry):
        answer = await engine.classify(PHOTO, 3)
        alone = classifier.pixels(classifier.read_header(PHOTO))
        assert answer == classifier.answer(classifier.scores(alone[None])[0], 3)
        assert engine.version.digest == classifier.version.digest
        assert registry.get_sample_value("twinlens_decode_seconds_count") == 1
        assert registry.get_sample_value("twinlens_inference_seconds_count") == 1
        labels = {"name": "colours", "version": "v1", "digest": classifier.version.digest}
        assert registry.get_sample_value("twinlens_model_info", labels) == 1

    run(replace(settings, batching=batching), test)


def test_batches_form_and_answer_as_photos_one_by_one(settings):
    photos = [images.encoded(models.picture(colour), "PNG") for colour in models.LABELS] * 12

    async def test(engine, registry):
        alone = [await engine.classify(photo, 99) for photo in photos[:8]]
        together = await asyncio.gather(*(engine.classify(photo, 99) for photo in photos))
        for one, other in zip(alone * 12, together, strict=True):
            scores = [{each["label"]: each["score"] for each in answer["predictions"]} for answer in (one, other)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        runs = registry.get_sample_value("twinlens_batch_size_count")
        assert registry.get_sample_value("twinlens_batch_size_sum") == len(photos) + 8
        assert runs - 8 < len(photos), "no batch formed"

    run(settings, test)


def test_without_batching_none_forms(settings):
    async def test(engine, registry):
        await asyncio.gather(*(engine.classify(PHOTO, 1) for _ in range(40)))
        assert registry.get_sample_value("twinlens_batch_size_count") == 40

    run(replace(settings, batching=False), test)


def test_before_it_is_started_it_says_that_it_is_not_ready(settings):
    async def body():
        with pytest.raises(TwinlensError) as caught:
            await Engine(settings, Metrics(CollectorRegistry())).classify(PHOTO, 1)
        assert caught.value.code == "not_ready"

    asyncio.run(body())


def test_photos_that_come_while_the_model_is_loaded_wait_for_it_within_the_bound(settings, monkeypatch):
    held, load_now = threading.Event(), Engine._load_now

    def slow(self):
        assert held.wait(20)
        return load_now(self)

    async def body():
        monkeypatch.setattr(Engine, "_load_now", slow)
        registry = CollectorRegistry()
        engine = Engine(replace(settings, max_waiting=2), Metrics(registry))
        engine.start()
        gone, waiting = (asyncio.create_task(engine.classify(PHOTO, 1)) for _ in range(2))
        await asyncio.sleep(0)
        with pytest.raises(TwinlensError) as caught:
            await engine.classify(PHOTO, 1)
        assert caught.value.code == "overloaded"
        with pytest.raises(TwinlensError) as caught:
            assert engine.version
        assert caught.value.code == "not_ready"
        gone.cancel()
        await asyncio.wait([gone])
        assert gone.cancelled() and not waiting.done()
        assert registry.get_sample_value("twinlens_photos_in_hand") == 1
        held.set()
        assert (await waiting)["predictions"][0]["label"] == "magenta"
        assert registry.get_sample_value("twinlens_photos_in_hand") == 0
        await engine.stop()

    asyncio.run(asyncio.wait_for(body(), 60))


def test_photos_that_wait_for_a_model_are_let_go_when_the_server_ends(settings, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(Engine, "_load_now", lambda self: held.wait(20))

    async def body():
        engine = Engine(settings, Metrics(CollectorRegistry()))
        engine.start()
        waiting = asyncio.create_task(engine.classify(PHOTO, 1))
        await asyncio.sleep(0)
        await engine.stop()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        held.set()

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_model_that_fails_its_warm_up_never_becomes_ready_and_the_log_says_why(settings, tmp_path, caplog):
    models.write(tmp_path, resize=dict(models.RESIZE, shorter_edge=100))

    async def test(engine, registry):
        for asking in (engine.classify(PHOTO, 1), engine.classify(PHOTO, 1)):
            with pytest.raises(TwinlensError) as caught:
                await asking
            assert caught.value.code == "not_ready"
        with pytest.raises(TwinlensError) as caught:
            assert engine.version
        assert caught.value.code == "not_ready"
        assert "log" in caught.value.detail and str(tmp_path) not in caught.value.detail
        assert "invalid_model" in caplog.text and str(tmp_path) in caplog.text

    run(replace(settings, models=tmp_path), test)


def test_what_is_wrong_with_an_image_is_raised(settings):
    async def test(engine, registry):
        for data, code in (
            (b"x", "not_an_image"),
            (PHOTO[:99], "broken_image"),
            (images.bombs()["bmp-60000x60000"], "too_many_pixels"),
        ):
            with pytest.raises(TwinlensError) as caught:
                await engine.classify(data, 1)
            assert caught.value.code == code

    run(settings, test)


def test_very_large_images_are_decoded_one_at_a_time_and_hold_up_nobody(settings, monkeypatch):
    monkeypatch.setattr(engines, "LARGE_PIXELS", 96 * 80 - 1)
    small = images.encoded(models.picture("green", 40, 40), "PNG")
    large = images.encoded(models.picture("red"), "PNG")
    at_once, most = 0, 0
    lock, held = threading.Lock(), threading.Event()
    pixels = classifiers.Classifier.pixels

    def slow(self, header):
        nonlocal at_once, most
        if header.allocates > 2000:
            with lock:
                at_once += 1
                most = max(most, at_once)
            held.wait(20)
            with lock:
                at_once -= 1
        return pixels(self, header)

    async def test(engine, registry):
        monkeypatch.setattr(classifiers.Classifier, "pixels", slow)
        waiting = [asyncio.create_task(engine.classify(large, 1)) for _ in range(5)]
        for _ in range(10):
            assert (await engine.classify(small, 1))["predictions"][0]["label"] == "green"
        assert not any(task.done() for task in waiting)
        held.set()
        answers = await asyncio.gather(*waiting)
        assert [answer["predictions"][0]["label"] for answer in answers] == ["red"] * 5
        assert most == 1

    run(settings, test)


def test_past_the_bound_a_photo_is_refused_at_once_and_the_others_are_answered(settings, monkeypatch):
    held = threading.Event()
    read_header = classifiers.Classifier.read_header

    def slow(self, data):
        held.wait(20)
        return read_header(self, data)

    async def test(engine, registry):
        monkeypatch.setattr(classifiers.Classifier, "read_header", slow)
        waiting = [asyncio.create_task(engine.classify(PHOTO, 1)) for _ in range(3)]
        await asyncio.sleep(0)
        for _ in range(2):
            with pytest.raises(TwinlensError) as caught:
                await engine.classify(PHOTO, 1)
            assert caught.value.code == "overloaded"
        assert registry.get_sample_value("twinlens_shed_total", {"reason": "full"}) == 2
        assert registry.get_sample_value("twinlens_photos_in_hand") == 3
        assert registry.get_sample_value("twinlens_photos_in_hand_limit") == 3
        held.set()
        answers = await asyncio.gather(*waiting)
        assert [answer["predictions"][0]["label"] for answer in answers] == ["magenta"] * 3
        await engine.classify(PHOTO, 1)
        assert registry.get_sample_value("twinlens_photos_in_hand") == 0

    run(replace(settings, max_waiting=3), test)


def test_files_in_hand_are_bounded_together_but_one_is_always_taken(settings):
    async def test(engine, registry):
        first, *others = await asyncio.gather(*(engine.classify(PHOTO, 1) for _ in range(3)), return_exceptions=True)
        assert first["predictions"][0]["label"] == "magenta"
        assert [error.code for error in others] == ["overloaded"] * 2
        assert (await engine.classify(PHOTO, 1))["predictions"][0]["label"] == "magenta"

    run(replace(settings, max_waiting_mib=0.001), test)


def test_the_bound_follows_from_the_decoding_threads(settings):
    registry = CollectorRegistry()
    Engine(replace(settings, decode_threads=2), Metrics(registry))
    assert registry.get_sample_value("twinlens_photos_in_hand_limit") == 160


def test_a_photo_that_is_refused_or_cancelled_leaves_no_count_behind(settings):
    async def test(engine, registry):
        tasks = [asyncio.create_task(engine.classify(PHOTO, 1)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in tasks[2:]:
            task.cancel()
        with pytest.raises(TwinlensError):
            await engine.classify(b"x", 1)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert registry.get_sample_value("twinlens_photos_in_hand") == 0
        for lane in ("decode", "decode_large", "inference"):
            assert registry.get_sample_value("twinlens_queue_depth", {"lane": lane}) == 0

    run(settings, test)


def test_a_request_that_is_cancelled_while_it_waits_is_never_decoded(settings, monkeypatch):
    held, decoded = threading.Event(), []
    read_header = classifiers.Classifier.read_header

    def slow(self, data):
        decoded.append(data)
        held.wait(20)
        return read_header(self, data)

    async def test(engine, registry):
        monkeypatch.setattr(classifiers.Classifier, "read_header", slow)
        waiting = [asyncio.create_task(engine.classify(PHOTO + bytes([number]), 1)) for number in range(6)]
        await asyncio.sleep(0.1)
        for task in waiting[3:]:
            task.cancel()
        await asyncio.sleep(0.05)
        held.set()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [False] * 3 + [True] * 3
        assert sorted(data[-1] for data in decoded) == [0, 1, 2]

    run(replace(settings, decode_threads=2), test)


def test_pixels_stay_those_of_their_request(settings):
    """Many different images at once, each answered as its own colour."""
    rng = np.random.default_rng(5)
    wanted = [models.LABELS[index] for index in rng.integers(0, 8, 200)]
    files = {colour: images.encoded(models.picture(colour), "PNG") for colour in models.LABELS}

    async def test(engine, registry):
        answers = await asyncio.gather(*(engine.classify(files[colour], 1) for colour in wanted))
        assert [answer["predictions"][0]["label"] for answer in answers] == wanted

    run(replace(settings, max_waiting=200), test)


@pytest.mark.parametrize(
    ("threads", "batches", "side_by_side", "of_session"),
    [(2, 0, 2, 1), (4, 0, 4, 1), (5, 0, 4, 2), (6, 0, 4, 3), (7, 0, 4, 4), (16, 0, 4, 13), (8, 2, 2, 7), (3, 8, 3, 1)],
)
def test_no_core_is_left_idle_by_batches_side_by_side(
    settings, monkeypatch, threads, batches, side_by_side, of_session
):
    """A session has one thread less of its own than it is told, since the one that asks works too."""
    counts, network = [], engines.Network

    def recorded(version, count):
        counts.append(count)
        return network(version, 1)

    monkeypatch.setattr(engines, "Network", recorded)
    engine = Engine(replace(settings, threads=threads, batches=batches), Metrics(CollectorRegistry()))
    engine._load_now()
    assert counts == [of_session]
    assert engine._side_by_side == side_by_side
    assert side_by_side + (of_session - 1) == threads


@pytest.fixture(scope="module")
def index(models_folder, tmp_path_factory):
    """An index of made photos, and the settings that name it."""
    folder = tmp_path_factory.mktemp("index")
    settings = made.settings(models_folder)
    build(made.photos(folder / "photos"), folder / "index", settings, Options(), 1)
    return replace(settings, index=folder / "index")


def test_similar_photos_are_those_of_the_index(index, classifier):
    async def test(engine, registry):
        data = images.encoded(models.picture("cyan"), "PNG")
        answer, label = await asyncio.gather(engine.similar(data, 3), engine.classify(data, 1))
        _, embeddings = classifier.scores_and_embeddings(classifier.pixels(classifier.read_header(data))[None])
        wanted = Index(index.index, classifier.version.digest).search(embeddings[0], 3)
        assert [each["id"] for each in answer["neighbours"]] == [each["id"] for each in wanted]
        assert {each["label"] for each in answer["neighbours"]} == {"cyan"}
        assert answer["index"] == {"photos": 24, "kind": "flat"}
        assert answer["model"] == label["model"] == classifier.answered_by
        assert label["predictions"][0]["label"] == "cyan"
        assert registry.get_sample_value("twinlens_queue_seconds_count", {"lane": "search"}) == 1
        assert registry.get_sample_value("twinlens_photos_in_hand") == 0

    run(index, test)


def test_what_is_wrong_with_an_image_is_raised_by_similar_too(index):
    async def test(engine, registry):
        with pytest.raises(TwinlensError) as caught:
            await engine.similar(b"hello", 3)
        assert caught.value.code == "not_an_image"

    run(index, test)


def test_without_an_index_there_are_no_similar_photos(settings):
    async def test(engine, registry):
        with pytest.raises(TwinlensError) as caught:
            await engine.similar(PHOTO, 3)
        assert caught.value.code == "missing_index"

    run(settings, test)


def test_an_index_of_another_model_is_not_served(index, tmp_path, caplog):
    models.write(tmp_path, not_sure={"threshold": 0.2, "rule": "made up"})

    async def test(engine, registry):
        with pytest.raises(TwinlensError) as caught:
            await engine.classify(PHOTO, 1)
        assert caught.value.code == "not_ready"
        assert "index_mismatch" in caplog.text

    run(replace(index, models=tmp_path), test)
