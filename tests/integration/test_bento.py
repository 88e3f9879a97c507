"""A bento: built by ``bentoml build``, installed into an environment of its own from what it says it needs, served."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bentoml
import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from benchmarks.container.bento import build
from tests import images
from tests.servers import ROOT, running
from twinlens.classifier import Classifier
from twinlens.http import openapi
from twinlens.http.pages import told_of_server
from twinlens.settings import Settings

UV = Path(sys.executable).with_name("uv")
FORBIDDEN = {"torch", "torchvision", "tensorflow", "tensorflowjs", "onnx", "onnxscript", "playwright", "pytest"}


def run(*command, **environment):
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    return build(tmp_path_factory.mktemp("bentoml"))


@pytest.fixture(scope="module")
def python(bento, tmp_path_factory):
    """An interpreter with what the bento asks for and nothing else."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    interpreter = folder / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", interpreter, "-r", bento / "env" / "python" / "requirements.txt")
    return interpreter


@pytest.fixture(scope="module")
def server(bento, python, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    command = (str(python), "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1")
    with running({}, command, cwd=elsewhere) as server:
        yield server


def test_it_holds_what_serving_needs_and_nothing_else(bento):
    source = bento / "src"
    assert {entry.name for entry in source.iterdir()} - {"web"} == {
        "service.py",
        "twinlens",
        "bentos",
        "bentofile.yaml",
    }
    assert {entry.name for entry in (source / "bentos").iterdir()} == {"clothing", "container"}
    assert [entry.name for entry in (source / "bentos" / "container").iterdir()] == ["entrypoint"]
    assert {str(entry.relative_to(source)) for entry in (source / "web").glob("*")} <= {"web/dist"}
    assert not list(source.rglob("__pycache__"))
    for file in source.rglob("*"):
        if file.is_file() and file.name != "bentofile.yaml":
            assert file.read_bytes() == (ROOT / file.relative_to(source)).read_bytes()


def test_it_holds_the_page_if_there_is_one(bento):
    def files(root):
        return {str(file.relative_to(root)) for file in (root / "web" / "dist").rglob("*") if file.is_file()}

    assert files(bento / "src") == files(ROOT)


def test_it_pins_what_requirements_pin(bento):
    def pins(path):
        lines = [line.split(" \\")[0] for line in path.read_text().splitlines() if line[:1].isalnum()]
        return {(requirement.name, str(requirement.specifier)) for requirement in map(Requirement, lines)}

    wanted = pins(ROOT / "requirements" / "serve.txt")
    text = (bento / "env" / "python" / "requirements.txt").read_text()
    assert pins(bento / "env" / "python" / "requirements.txt") == wanted
    assert text.count("--hash=sha256:") == (ROOT / "requirements" / "serve.txt").read_text().count("--hash=sha256:")
    assert "://" not in text and "--index" not in text
    assert not {name for name, _ in wanted} & FORBIDDEN


def test_its_document_is_the_servers(bento):
    assert yaml.safe_load((bento / "apis" / "openapi.yaml").read_text()) == openapi.document()


def test_its_environment_has_no_torch_and_no_tensorflow(python):
    installed = {
        package["name"] for package in json.loads(run(UV, "pip", "list", "--python", python, "--format", "json"))
    }
    assert "onnxruntime" in installed
    assert not installed & FORBIDDEN
    assert not any(name.startswith(("torch", "tensorflow", "nvidia-cu")) for name in installed)


def test_it_answers_as_this_checkout_does(server):
    classifier = Classifier.current(Settings.from_environment({}))
    for data in images.files().values():
        pixels = classifier.pixels(classifier.read_header(data))
        expected = classifier.answer(classifier.scores(pixels[None])[0], 99)
        found = httpx.post(f"{server.url}/v1/classify?top_k=99", content=data).json()
        assert found["model"] == expected["model"]
        assert {each["label"]: each["score"] for each in found["predictions"]} == pytest.approx(
            {each["label"]: each["score"] for each in expected["predictions"]}, abs=1e-5
        )


def test_its_client_and_its_contract(server, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(images.encoded(images.quadrants(), "PNG"))
    with bentoml.SyncHTTPClient(server.url) as client:
        assert len(client.classify(image=photo, top_k=2)["predictions"]) == 2
    current = (ROOT / "bentos" / "clothing" / "current").read_text().strip()
    contract = (ROOT / "bentos" / "clothing" / current / "contract.json").read_bytes()
    assert httpx.get(f"{server.url}/v1/model").content == contract


def test_it_serves_the_page_or_says_that_there_is_none(server):
    answer = httpx.get(server.url)
    built = ROOT / "web" / "dist" / "index.html"
    if built.is_file():
        assert answer.content == told_of_server(built.read_bytes()) != built.read_bytes()
        assert httpx.get(f"{server.url}/model/current").status_code == 200
    else:
        assert answer.json()["code"] == "missing_page"


def test_its_errors_are_problems_too(server):
    answer = httpx.post(f"{server.url}/v1/classify", content=b"hello")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_an_image")
