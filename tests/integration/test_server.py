"""A real server, started as a user starts it, asked over HTTP."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import bentoml
import httpx
import numpy as np
import pytest
from bentoml.exceptions import InvalidArgument

from tests import images, models
from tests.integration.answers import metrics, problem, scores
from twinlens.decode import MEDIA_TYPES

FILES = images.files()
PHOTO = images.encoded(models.picture("blue"), "JPEG")


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_answered_raw_and_in_a_form(name, client, classifier):
    data = FILES[name]
    pixels = classifier.pixels(classifier.read_header(data))
    expected = scores(classifier.answer(classifier.scores(pixels[None])[0], 8))
    media_type = MEDIA_TYPES[name.split("-")[0]]
    for response in (
        client.post("/v1/classify?top_k=8", content=data, headers={"content-type": media_type}),
        client.post("/v1/classify", files={"image": (name, data, media_type)}, data={"top_k": "8"}),
    ):
        assert response.status_code == 200, response.text
        assert scores(response.json()) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("colour", models.LABELS)
def test_an_answer(colour, client, classifier):
    response = client.post("/v1/classify", content=images.encoded(models.picture(colour), "PNG"))
    answer = response.json()
    assert set(answer) == {"predictions", "model"}
    assert answer["model"] == {"name": "colours", "version": "v1", "digest": classifier.version.digest}
    assert answer["predictions"][0]["label"] == colour
    found = [each["score"] for each in answer["predictions"]]
    assert len(found) == 5 and found == sorted(found, reverse=True)


def test_top_k_larger_than_the_labels_gives_all(client):
    answer = client.post("/v1/classify?top_k=1000", content=PHOTO).json()
    assert set(scores(answer)) == set(models.LABELS)
    assert sum(scores(answer).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "media_type", [None, "application/octet-stream", "image/jpeg", "image/x-nonsense", "application/json", "text/plain"]
)
def test_the_declared_type_is_not_trusted(media_type, client):
    headers = {"content-type": media_type} if media_type else {}
    for data in (PHOTO, images.encoded(models.picture("blue"), "PNG")):
        response = client.post("/v1/classify", content=data, headers=headers)
        assert response.json()["predictions"][0]["label"] == "blue"
        response = client.post("/v1/classify", files={"image": ("a.gif", data, media_type or "image/gif")})
        assert response.json()["predictions"][0]["label"] == "blue"


def test_bentomls_own_client(server, tmp_path):
    photo = tmp_path / "photo 图.jpg"
    photo.write_bytes(PHOTO)
    with bentoml.SyncHTTPClient(server.url) as client:
        answer = client.classify(image=photo, top_k=3)
        assert answer["predictions"][0]["label"] == "blue" and len(answer["predictions"]) == 3
        assert len(client.classify(image=photo)["predictions"]) == 5
        with pytest.raises(InvalidArgument, match="invalid_top_k"):
            client.classify(image=photo, top_k=0)
        with pytest.raises(InvalidArgument, match="invalid_image_field"):
            client.classify(image="http://127.0.0.1:9/photo.jpg")


def test_no_address_is_ever_fetched(client):
    """A local server that would notice, named in every way a request can name one."""
    asked = []
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(0.2)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/photo.jpg"

        def watch():
            while not stopped.is_set():
                try:
                    asked.append(trap.accept())
                except TimeoutError:
                    continue

        stopped = threading.Event()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            problem(client.post("/v1/classify", data={"image": url}), "invalid_image_field")
            problem(client.post("/v1/classify", files={"image": (None, url)}), "invalid_image_field")
            problem(client.post("/v1/classify", files={"image": ("a.jpg", url.encode())}), "not_an_image")
            problem(client.post("/v1/classify", json={"image": url}), "unsupported_format")
            problem(client.post("/v1/classify", json=url), "unsupported_format")
            problem(client.post("/v1/classify", content=url), "not_an_image")
            problem(client.post("/v1/classify", content=f'"{url}"'), "not_an_image")
            problem(client.post("/v1/classify", params={"image": url, "url": url}), "missing_image")
            svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>'
            problem(client.post("/v1/classify", content=svg), "unsupported_format")
            time.sleep(0.5)
        finally:
            stopped.set()
            watcher.join()
    assert asked == []


def test_the_contract_byte_for_byte(client, models_folder, classifier):
    response = client.get("/v1/model")
    assert response.content == (models_folder / "colours" / "v1" / "contract.json").read_bytes()
    assert response.headers["etag"] == f'"{classifier.version.digest}"'
    for tag in (response.headers["etag"], f'W/"x", {response.headers["etag"]}', "*"):
        again = client.get("/v1/model", headers={"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])
    assert client.get("/v1/model", headers={"if-none-match": '"other"'}).status_code == 200


def test_probes(client):
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").text == "ready: colours v1\n"


def test_the_page_and_its_model(client):
    page = client.get("/")
    assert page.text == "<!doctype html>made page"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    version = client.get("/model/current").text.strip()
    contract = client.get(f"/model/{version}/contract.json")
    assert contract.content == client.get("/v1/model").content
    for file in contract.json()["files"]:
        assert len(client.get(f"/model/{version}/{file['path']}").content) == file["bytes"]


@pytest.mark.parametrize("path", ["/", "/v1/classify", "/v1/model", "/nope", "/metrics", "/model/current"])
def test_every_answer_says_that_its_type_is_meant(path, client):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nope", "not_found"),
        ("POST", "/nope", "not_found"),
        ("GET", "/v1/classify/", "not_found"),
        ("POST", "/v1/classify/x", "not_found"),
        ("GET", "/healthz/../nope", "not_found"),
        ("GET", "/v2/classify", "not_found"),
        ("GET", "/static_content/index.css", "not_found"),
        ("GET", "/docs", "not_found"),
        ("GET", "/model/v1/../../../../etc/passwd", "not_found"),
        ("GET", "/v1/classify", "method_not_allowed"),
        ("PUT", "/v1/classify", "method_not_allowed"),
        ("DELETE", "/v1/model", "method_not_allowed"),
        ("OPTIONS", "/v1/classify", "method_not_allowed"),
        ("POST", "/", "method_not_allowed"),
        ("POST", "/livez", "method_not_allowed"),
        ("PROPFIND", "/v1/classify", "method_not_allowed"),
    ],
)
def test_addresses_and_methods_that_are_not_there(method, path, code, client):
    response = client.request(method, path, content=b"x" if method == "POST" else None)
    problem(response, code)
    assert ("allow" in response.headers) == (code == "method_not_allowed")


def test_pickles_are_not_read(client):
    problem(client.post("/v1/classify", content=b"x", headers={"content-type": "application/vnd.bentoml+pickle"}))


def test_batches_form_and_answer_as_photos_one_by_one(server, client):
    rng = np.random.default_rng(7)
    photos = [
        images.encoded(models.picture(colour, int(rng.integers(40, 300)), int(rng.integers(40, 300))), "JPEG")
        for colour in models.LABELS * 8
    ]
    alone = [scores(client.post("/v1/classify?top_k=8", content=photo).json()) for photo in photos]
    before = metrics(client)

    def ask(photo):
        with httpx.Client(base_url=server.url, timeout=60) as one:
            return [scores(one.post("/v1/classify?top_k=8", content=photo).json()) for _ in range(3)]

    with ThreadPoolExecutor(32) as pool:
        together = list(pool.map(ask, photos))
    for expected, answers in zip(alone, together, strict=True):
        for answer in answers:
            assert answer == pytest.approx(expected, abs=1e-5)
    after = metrics(client)
    images_run = after["twinlens_batch_size_sum"] - before["twinlens_batch_size_sum"]
    runs = after["twinlens_batch_size_count"] - before["twinlens_batch_size_count"]
    assert images_run == 3 * len(photos)
    assert runs < images_run, "no batch formed"


def test_metrics_count_what_happened_under_fixed_names(client):
    client.get("/nope")
    client.request("INVENTED", "/nope")
    problem(client.post("/v1/classify", content=b"x"))
    client.post("/v1/classify", content=PHOTO)
    before = metrics(client)
    for number in range(50):
        client.get(f"/nope-{number}")
        client.request(f"INVENT{number}", f"/nope/{number}")
        client.get(f"/model/invented-{number}/contract.json")
    client.post("/v1/classify", content=PHOTO)
    problem(client.post("/v1/classify", content=b"x"))
    after = metrics(client)
    assert set(after) == set(before)
    answered = 'twinlens_http_requests_total{method="POST",route="/v1/classify",status="200"}'
    assert after[answered] - before[answered] == 1
    assert (
        after['twinlens_problems_total{code="not_an_image"}'] - before['twinlens_problems_total{code="not_an_image"}']
        == 1
    )
    unknown = 'twinlens_http_requests_total{method="GET",route="other",status="404"}'
    assert after[unknown] - before[unknown] == 100
    assert not any("nope" in name or "INVENT" in name for name in after)
    assert after["twinlens_http_requests_in_progress"] == 1  # this very request
