import json
import os
import subprocess
import sys

import pytest

import twinlens
from benchmarks.server import free_port
from tests import images, models
from twinlens.cli import main
from twinlens.settings import ROOT


@pytest.fixture
def photo(tmp_path):
    file = tmp_path / "red.png"
    file.write_bytes(images.encoded(models.picture("red"), "PNG"))
    return file


def run(*arguments, **options):
    command = [sys.executable, "-m", "twinlens", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options)


def test_options_stand_over_the_environment(photo, models_folder, monkeypatch, capsys):
    monkeypatch.setenv("TWINLENS_MODEL", "other")
    monkeypatch.setenv("TWINLENS_MODELS", "/nowhere")
    given = ["classify", str(photo), "--json", "--top-k", "1", "--models", str(models_folder), "--model", models.NAME]
    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["label"] == "red"


def test_a_broken_file_ends_with_status_1(photo, models_folder, capsys):
    photo.write_bytes(photo.read_bytes()[:60])
    assert main(["classify", str(photo), "--models", str(models_folder), "--model", models.NAME]) == 1


@pytest.mark.parametrize(
    ("environment", "arguments", "code"),
    [
        ({"TWINLENS_PORT": "http"}, ["serve"], "invalid_setting: TWINLENS_PORT is 'http'"),
        ({}, ["serve", "--port", "0"], "invalid_setting: TWINLENS_PORT is '0'"),
        ({"TWINLENS_PROT": "3000"}, ["serve"], "invalid_setting: TWINLENS_PROT is no setting"),
        ({}, ["serve", "--models", "nowhere"], "model_not_found: "),
        ({}, ["classify", "nowhere.jpg"], "invalid_arguments: "),
        ({}, ["classify", "x" * 300], "invalid_arguments: "),
        ({}, ["classify", "README.md", "--models", "nowhere"], "model_not_found: "),
    ],
)
def test_an_error_is_one_line_and_status_2(environment, arguments, code, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT)
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"twinlens: {code}") and captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["classify"], ["classify", "x", "--top-k", "0"]])
def test_wrong_usage_says_how(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: twinlens" in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"twinlens {twinlens.__version__}\n"


def test_as_a_module_and_into_a_pipe_that_closes(photo, models_folder):
    there = ["--models", models_folder, "--model", models.NAME]
    done = run("classify", photo, "--top-k", 1, *there)
    assert (done.returncode, done.stdout) == (0, f"{photo}: red 100.0%\n")
    command = f"{sys.executable} -m twinlens classify --models {models_folder} --model {models.NAME} {photo} {photo}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


def test_a_home_folder_that_cannot_be_made_is_named(photo):
    """BentoML makes a folder of its own in there as soon as it is imported."""
    home = photo / "home"
    environment = {name: value for name, value in os.environ.items() if name != "BENTOML_HOME"}
    done = run("serve", "--port", free_port(), env={**environment, "HOME": str(home)})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"twinlens: cannot_write: {home}")


def test_classifying_does_not_wait_for_the_servers_imports(photo, models_folder):
    code = (
        "import sys; from twinlens.cli import main;"
        f"main(['classify', {str(photo)!r}, '--models', {str(models_folder)!r}, '--model', {models.NAME!r}]);"
        "sys.exit(any(name.split('.')[0] in ('bentoml', 'torch', 'starlette') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
