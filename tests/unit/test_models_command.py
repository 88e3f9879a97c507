import contextlib
import json

import pytest

from tests import models
from twinlens import publishing, store
from twinlens.cli import main


@pytest.fixture
def folder(tmp_path):
    """Three versions, of which somebody has published two; the newest is in use."""
    for version in ("v1", "v2", "v3"):
        folder = models.write(tmp_path, version=version, temperature=float(version[1]))
    (folder / "current").unlink()
    for version, who in (("v1", "ana"), ("v3", "bo")):
        evaluation = {split: {"top1": 0.9, "n": 372} for split in ("test", "validation")}
        (folder / version / "evaluation.json").write_text(json.dumps(evaluation))
        with publishing.changing(folder):
            publishing.put_in_use(folder, version, who)
    return folder


@pytest.fixture
def command(folder):
    return lambda name, *more: main([name, *more, "--models", str(folder.parent), "--model", folder.name])


def test_versions_are_listed_with_figures_digest_and_who_published_them(command, folder, capsys):
    assert command("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["colours", "test", "photos", "size", "digest", "published", "by"]
    rows = {line.replace("*", " ").split()[0]: line for line in lines[1:]}
    digest = store.open_version(folder / "v3").digest[:12]
    assert rows["v3"].startswith("*") and rows["v3"].split()[-1] == "bo" and digest in rows["v3"]
    assert "0.9000  372" in rows["v1"] and not rows["v1"].startswith("*")
    assert rows["v2"].split()[1:3] == ["-", "-"]


def test_json_is_a_line_a_version(command, capsys):
    assert command("models", "--json") == 0
    rows = {row["version"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert [row["in_use"] for row in rows.values()].count(True) == 1
    assert rows["v3"]["test"] == {"top1": 0.9, "n": 372}
    assert rows["v3"]["published"]["who"] == "bo"
    assert rows["v2"]["published"] is None and rows["v2"]["broken"] is None


def test_a_broken_version_is_listed_with_what_is_wrong(command, folder, capsys):
    (folder / "v1" / "model.onnx").write_bytes(b"cut")
    (folder / "v2" / "contract.json").unlink()
    assert command("models") == 1
    out = capsys.readouterr().out
    assert "v1 cannot be used: " in out and "model.onnx is missing or cut off" in out
    assert "v2 cannot be used: " in out


def test_all_models_are_listed_unless_one_is_named(folder, capsys):
    models.write(folder.parent, "other")
    assert main(["models", "--models", str(folder.parent)]) == 0
    assert "other" in capsys.readouterr().out
    assert main(["models", "--models", str(folder.parent / "nowhere")]) == 2
    assert "model_not_found" in capsys.readouterr().err


def test_rollback_goes_to_what_was_in_use_before(command, folder, capsys):
    assert command("rollback", "--who", "cy") == 0
    assert capsys.readouterr().out == "colours: v1 is in use, no longer v3\n"
    assert store.current_version(folder) == "v1"
    last = publishing.history(folder)[-1]
    assert (last.action, last.version, last.replaced, last.who) == ("rollback", "v1", "v3", "cy")
    assert command("rollback") == 2
    assert "no_earlier_version" in capsys.readouterr().err


def test_rollback_to_a_version_that_is_named(command, folder, capsys):
    assert command("rollback", "v2") == 0
    assert store.current_version(folder) == "v2"
    assert command("rollback", "v2") == 0
    assert "in use already" in capsys.readouterr().out
    assert len(publishing.history(folder)) == 3


def test_what_is_in_use_is_looked_at_once_nobody_else_publishes(command, folder, capsys, monkeypatch):
    """Another command publishes v2 while rollback waits for its turn."""
    changing = publishing.changing

    @contextlib.contextmanager
    def after_another(model):
        with changing(model):
            publishing.put_in_use(model, "v2", "bo")
        with changing(model):
            yield

    monkeypatch.setattr(publishing, "changing", after_another)
    assert command("rollback", "v3") == 0
    assert capsys.readouterr().out == "colours: v3 is in use, no longer v2\n"
    assert store.current_version(folder) == "v3"


@pytest.mark.parametrize(
    ("version", "code"), [("v9", "model_not_found"), ("../v1", "invalid_arguments"), ("current", "invalid_arguments")]
)
def test_rollback_refuses_what_is_not_there(command, folder, capsys, version, code):
    assert command("rollback", version) == 2
    assert code in capsys.readouterr().err
    assert store.current_version(folder) == "v3"


@pytest.mark.parametrize("what", ["model.onnx", "tfjs/model.json", "golden/yellow.png"])
def test_rollback_refuses_what_is_not_whole(command, folder, capsys, what):
    (folder / "v1" / what).write_bytes(b"cut")
    assert command("rollback") == 2
    assert "invalid_model" in capsys.readouterr().err
    assert store.current_version(folder) == "v3"
    assert len(publishing.history(folder)) == 2
