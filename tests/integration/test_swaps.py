"""Twenty versions published one after another while a server answers: none fails, none is mixed."""

import asyncio
import contextlib
import time
from collections import Counter

import httpx
import pytest
from PIL import Image

from tests import images, models
from tests.integration.answers import metrics, scores
from tests.servers import running
from twinlens import store
from twinlens.classifier import Classifier
from twinlens.settings import Settings

SWAPS = 20
CLIENTS = 6
PHOTOS = {colour: images.encoded(models.picture(colour), "PNG") for colour in ("red", "green", "white")}
PHOTOS["clear"] = images.encoded(Image.new("RGBA", (90, 80)), "PNG")


def differing(number):
    """What tells a version's answers from every other's: its labels, its network, and how it decodes.

    Through nothing is seen the background, so pixels that one version has decoded give another one other scores.
    """
    names = [f"{label} {number}" for label in models.LABELS]
    labels = [{"name": name, "display": {"en": name}} for name in names]
    decode = dict(models.DECODE, alpha_background=(12 * number, 255 - 12 * number, 128))
    return {"labels": labels, "temperature": 1 + number / 10, "leaning": {"cyan": number / 8}, "decode": decode}


def golden(folder):
    """What the version in use answers for each photo."""
    classifier = Classifier(store.open_current(folder), Settings(threads=1))
    answers = {}
    for colour, data in PHOTOS.items():
        pixels = classifier.pixels(classifier.read_header(data))
        answers[colour] = scores(classifier.answer(classifier.scores(pixels[None])[0], len(models.LABELS)))
    return classifier.version.digest, answers


def test_twenty_swaps_under_load(tmp_path):
    folder = models.write(tmp_path, version="v0", **differing(0))
    expected = {"v0": golden(folder)}
    asked, wrong, served = 0, [], Counter()

    async def ask(client, colour):
        nonlocal asked
        asked += 1
        answer = await client.post("/v1/classify", params={"top_k": 8}, content=PHOTOS[colour])
        if answer.status_code != 200:
            wrong.append(answer.text)
            return
        document = answer.json()
        version = document["model"]["version"]
        served[version] += 1
        digest, answers = expected[version]
        same = document["model"]["digest"] == digest and scores(document) == pytest.approx(answers[colour], abs=1e-5)
        if not same:
            wrong.append(document)

    async def load(client, number):
        for turn in range(1_000_000):
            await ask(client, list(PHOTOS)[(turn + number) % len(PHOTOS)])

    async def visit(client):
        """As a page does: which version, its contract, a file that it lists."""
        while True:
            version = (await client.get("/model/current")).text.strip()
            contract = await client.get(f"/model/{version}/contract.json")
            graph = await client.get(f"/model/{version}/tfjs/model.json")
            if contract.json()["model"]["version"] != version or graph.status_code != 200:
                wrong.append((version, contract.text[:200]))
            if not (ready := await client.get("/readyz")).is_success:
                wrong.append(ready.text)
            await asyncio.sleep(0.02)

    async def publish(client):
        for number in range(1, SWAPS + 1):
            version = f"v{number}"
            # Known before anyone can be answered by it: it is in use once it is written.
            made = models.write(tmp_path / "made", version=version, **differing(number))
            expected[version] = golden(made)
            (made / version).rename(folder / version)
            store.set_current(folder, version)
            until = time.monotonic() + 20
            while (await client.get("/v1/model")).json()["model"]["version"] != version:
                assert time.monotonic() < until, f"{version} was not taken up"
                await asyncio.sleep(0.02)
            now = await client.get("/v1/model")
            assert now.headers["etag"] == f'"{expected[version][0]}"'
            assert (await client.get("/readyz")).text == f"ready: colours {version}\n"
            assert (await client.get("/model/current")).text == f"{version}\n"
            before = served[version]
            while served[version] == before:  # answered by it under load before the next one comes
                assert time.monotonic() < until, wrong or f"nobody was answered by {version}"
                await asyncio.sleep(0.01)

    async def body(url):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            others = [asyncio.create_task(load(client, number)) for number in range(CLIENTS)]
            others.append(asyncio.create_task(visit(client)))
            try:
                await publish(client)
            finally:
                for task in others:
                    task.cancel()
                for task in others:
                    with contextlib.suppress(asyncio.CancelledError):
                        await task

    with running({"TWINLENS_MODELS": str(tmp_path), "TWINLENS_MODEL": models.NAME}) as server:
        asyncio.run(body(server.url))
        with httpx.Client(base_url=server.url) as client:
            counted = metrics(client)
            old = client.get("/model/v0/contract.json")  # pages that are loading it are not cut off
        log = server.log.read_text()
    assert wrong == []
    assert set(served) == set(expected) and asked > 10 * SWAPS
    assert old.json()["model"]["version"] == "v0"
    assert counted['twinlens_model_publications_total{outcome="taken"}'] == SWAPS
    in_use = [name for name, value in counted.items() if name.startswith("twinlens_model_info") and value == 1]
    assert len(in_use) == 1 and f'version="v{SWAPS}"' in in_use[0]
    assert "Traceback" not in log


def test_a_broken_version_is_not_taken_up_and_the_page_is_not_sent_to_it(tmp_path):
    folder = models.write(tmp_path, version="v1")
    with running({"TWINLENS_MODELS": str(tmp_path), "TWINLENS_MODEL": models.NAME}) as server:
        models.write(tmp_path, version="v2")
        store.set_current(folder, "v1")
        (folder / "v2" / "tfjs" / "model.json").write_bytes(b"{}")
        store.set_current(folder, "v2")
        with httpx.Client(base_url=server.url) as client:
            until = time.monotonic() + 20
            while metrics(client)['twinlens_model_publications_total{outcome="refused"}'] == 0:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert client.get("/model/current").text == "v1\n"
            answer = client.post("/v1/classify", content=PHOTOS["red"]).json()
            assert (answer["model"]["version"], answer["predictions"][0]["label"]) == ("v1", "red")
            assert client.get("/readyz").text == "ready: colours v1\n"
        assert server.log.read_text().count("cannot be used, and v1 goes on: invalid_model") == 1
