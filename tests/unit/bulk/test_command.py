import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import images, models
from tests.unit.bulk import fragile
from twinlens.bulk import command
from twinlens.bulk.command import classify_to
from twinlens.bulk.table import METADATA
from twinlens.bulk.work import chunks
from twinlens.classify import answers, find
from twinlens.cli import main
from twinlens.errors import TwinlensError


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for index in range(24):
        colour = models.LABELS[index % 8]
        path = folder / colour / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.encoded(models.picture(colour, 64 + index), "PNG"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(command, "chunks", lambda files: chunks(files, 5))


def run(photos, out, settings, **more):
    return classify_to([photos], out, settings, top_k=3, workers=1, **more)


def refused(code, function, *arguments, **options):
    with pytest.raises(TwinlensError) as caught:
        function(*arguments, **options)
    assert caught.value.code == code
    return caught.value.detail


def test_every_photo_has_a_row_with_the_answer_of_classify(photos, tmp_path, settings, classifier, capsys):
    out = tmp_path / "out.parquet"
    assert run(photos, out, settings) == 1
    table = pq.read_table(out)
    rows = {row["file"]: row for row in table.to_pylist()}
    assert [str(file) for file in find([photos])] == table.column("file").to_pylist()
    for result in answers(find([photos]), classifier, settings, 3):
        row = rows[str(result.file)]
        if isinstance(result.outcome, TwinlensError):
            assert (row["code"], row["detail"]) == (result.outcome.code, result.outcome.detail)
            assert row["label"] is row["score"] is row["sure"] is row["predictions"] is None
            continue
        best = result.outcome["predictions"]
        assert [each["label"] for each in row["predictions"]] == [each["label"] for each in best]
        assert [each["score"] for each in row["predictions"]] == pytest.approx(
            [each["score"] for each in best], abs=1e-5
        )
        assert (row["label"], row["score"]) == tuple(row["predictions"][0].values())
        assert row["sure"] == (row["score"] >= classifier.contract.not_sure.threshold)
        assert row["code"] is None and len(row["sha256"]) == 64
    about = json.loads(table.schema.metadata[METADATA])
    assert about == {"model": classifier.answered_by, "top_k": 3}
    said = capsys.readouterr().out
    assert said.startswith(f"{out}: 25 photos, ") and "1 could not be answered" in said
    assert [path.name for path in tmp_path.iterdir() if path != photos] == ["out.parquet"]


def test_a_job_that_was_stopped_goes_on_with_what_is_left(photos, tmp_path, settings, monkeypatch, capsys):
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    run(photos, whole, settings)
    work = command.processes.work
    seen = []

    def stopped(job, chunks, workers):
        for chunk, done in work(job, chunks, workers):
            if len(seen) == 2:
                raise KeyboardInterrupt
            seen.append(chunk.number)
            yield chunk, done

    monkeypatch.setattr(command.processes, "work", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, settings)
    assert not out.exists()

    def counted(job, chunks, workers):
        for chunk, done in work(job, chunks, workers):
            assert chunk.number not in seen
            yield chunk, done

    monkeypatch.setattr(command.processes, "work", counted)
    capsys.readouterr()
    assert run(photos, out, settings) == 1
    assert "10 of them answered before" in capsys.readouterr().out
    assert pq.read_table(out).equals(pq.read_table(whole), check_metadata=True)


@pytest.mark.parametrize("change", ["a photo", "top_k", "a limit", "damage"])
def test_what_is_kept_is_not_taken_for_something_else(change, photos, tmp_path, settings, monkeypatch):
    out = tmp_path / "out.parquet"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(command, "join", stop)
        run(photos, out, settings)
    parts = sorted((tmp_path / ".out.parquet.parts").glob("*.parquet"))
    assert len(parts) == 5
    done = []
    work = command.processes.work

    def counted(job, chunks, workers):
        for chunk, found in work(job, chunks, workers):
            done.append(chunk.number)
            yield chunk, found

    monkeypatch.setattr(command.processes, "work", counted)
    top_k = 3
    if change == "a photo":
        file = find([photos])[7]
        file.write_bytes(images.encoded(models.picture("white"), "PNG"))
    elif change == "top_k":
        top_k = 2
    elif change == "a limit":
        settings = replace(settings, max_megapixels=0.001)
    else:
        parts[0].write_bytes(parts[0].read_bytes()[:-9])
    classify_to([photos], out, settings, top_k=top_k, workers=1)
    assert len(done) == (1 if change in ("a photo", "damage") else 5)
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == 25
    if change == "a photo":
        assert rows[7]["label"] == "white"


def test_a_file_that_is_there_is_left_alone(photos, tmp_path, settings):
    out = tmp_path / "out.parquet"
    out.write_text("mine")
    refused("already_exists", run, photos, out, settings)
    assert out.read_text() == "mine"


def test_a_file_that_came_meanwhile_is_left_alone_and_what_is_answered_kept(photos, tmp_path, settings, monkeypatch):
    out = tmp_path / "out.parquet"
    work = command.processes.work

    def meanwhile(job, chunks, workers):
        yield from work(job, chunks, workers)
        out.write_text("theirs")

    monkeypatch.setattr(command.processes, "work", meanwhile)
    refused("already_exists", run, photos, out, settings)
    assert out.read_text() == "theirs" and len(list(command.parts_of(out).glob("*.parquet"))) == 5


def test_a_file_that_another_command_has_just_finished_is_not_answered_again(photos, tmp_path, settings, monkeypatch):
    out = tmp_path / "out.parquet"
    held = command.changing

    def waited(folder):
        out.write_text("theirs")
        return held(folder)

    monkeypatch.setattr(command, "changing", waited)
    monkeypatch.setattr(command.processes, "work", None)
    refused("already_exists", run, photos, out, settings)


@pytest.mark.parametrize("option", [["--engine", "ray"], ["--workers", "2"], ["--ray-address", "auto"]])
def test_what_is_for_a_parquet_file_is_no_use_without_one(option, photos, settings, capsys):
    there = ["--models", str(settings.models), "--model", settings.model]
    assert main(["classify", str(photos), *option, *there]) == 2
    assert "twinlens: invalid_arguments: --engine" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("out", "more", "code"),
    [
        ("out.csv", {}, "invalid_arguments"),
        ("out.parquet", {"address": "auto"}, "invalid_arguments"),
    ],
)
def test_what_cannot_be_done_is_said(out, more, code, photos, tmp_path, settings):
    refused(code, run, photos, tmp_path / out, settings, **more)


def test_without_pyarrow_it_says_what_to_install(photos, tmp_path, settings, monkeypatch):
    def absent(module):
        raise TwinlensError("missing_requirement", f"{module}: pip install 'twinlens[bulk]'")

    monkeypatch.setattr(command, "need", absent)
    refused("missing_requirement", run, photos, tmp_path / "out.parquet", settings)


def test_relative_paths_are_rows_as_they_were_given(photos, tmp_path, settings, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = ["--models", str(settings.models), "--model", settings.model]
    assert main(["classify", "photos", "--out", "new/out.parquet", "--workers", "1", *there]) == 1
    files = pq.read_table("new/out.parquet").column("file").to_pylist()
    assert files[0] == f"photos{os.sep}black{os.sep}15.png"


def test_text_and_parquet_are_not_wanted_at_once(capsys):
    with pytest.raises(SystemExit):
        main(["classify", "x", "--json", "--out", "y.parquet"])
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.heavy
def test_through_ray_the_rows_are_the_same(photos, tmp_path, settings):
    pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'twinlens[ray]'")
    run(photos, tmp_path / "one.parquet", settings)
    assert run(photos, tmp_path / "ray.parquet", settings, engine="ray") == 1
    one, other = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "ray"))
    assert other.equals(one, check_metadata=True)  # to the last bit, and in the same order


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_through_ray_a_photo_that_ends_its_process_has_a_row_like_any_other(photos, tmp_path, settings, monkeypatch):
    pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'twinlens[ray]'")
    from twinlens.bulk import rays

    shutil.copy(next(photos.glob("red/*.png")), photos / "red" / "deadly.png")
    monkeypatch.setattr(rays, "Actor", fragile.Actor)
    assert run(photos, tmp_path / "ray.parquet", settings, engine="ray") == 1
    rows = {Path(row["file"]).name: row for row in pq.read_table(tmp_path / "ray.parquet").to_pylist()}
    assert len(rows) == 26 and rows.pop("deadly.png")["code"] == "decoder_died"
    assert [name for name, row in rows.items() if row["code"] is not None] == ["broken.jpg"]


@pytest.mark.heavy
def test_a_cluster_that_is_not_there_is_an_error(photos, tmp_path, settings):
    pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'twinlens[ray]'")
    detail = refused(
        "engine_failed", run, photos, tmp_path / "out.parquet", settings, engine="ray", address="127.0.0.1:1"
    )
    assert "127.0.0.1:1" in detail
