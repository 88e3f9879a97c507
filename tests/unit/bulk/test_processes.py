"""Several processes give what one gives, and outlive a photo that ends one of them."""

import pytest

from tests.unit.bulk import fragile
from twinlens.bulk import processes
from twinlens.bulk.work import Chunk, Job, chunks
from twinlens.errors import TwinlensError


def found(job, files, workers, size=2):
    pairs = list(processes.work(job, chunks(files, size), workers))
    assert all([done.file for done in each] == list(chunk.files) for chunk, each in pairs)
    return {done.file: done for _, each in pairs for done in each}


def test_several_processes_give_what_one_gives(files, job):
    (files[0].parent / "9.png").write_text("hello")
    files.append(files[0].parent / "9.png")
    alone, together = found(job, files, 1), found(job, files, 2)
    assert alone.keys() == together.keys() == set(files)
    for file in files[:-1]:
        assert (alone[file].scores == together[file].scores).all()  # to the last bit
        assert alone[file].sha256 == together[file].sha256
    assert together[files[-1]].error.code == alone[files[-1]].error.code == "not_an_image"


def test_a_photo_that_ends_a_process_is_found_and_the_rest_is_answered(files, job, monkeypatch):
    deadly = files[0].parent / "deadly.png"
    deadly.write_bytes(files[0].read_bytes())
    monkeypatch.setattr(processes, "ProcessPoolExecutor", fragile.pool)
    done = found(job, [deadly, files[0], files[1]], 2, size=3)
    assert done.pop(deadly).error.code == "decoder_died"
    assert all(each.scores is not None for each in done.values()) and len(done) == 2


def test_a_process_apart_is_replaced_when_a_photo_has_ended_it(files, job, monkeypatch):
    deadly = files[0].parent / "deadly.png"
    deadly.write_bytes(files[0].read_bytes())
    monkeypatch.setattr(processes, "ProcessPoolExecutor", fragile.pool)
    apart = processes.Apart(job)
    codes = [done.error and done.error.code for done in apart(Chunk(0, (files[0], deadly)))]
    assert codes == [None, "decoder_died"]
    assert all(done.scores is not None for done in apart(Chunk(1, tuple(files[:2]))))


def test_on_one_core_a_photo_still_ends_a_process_and_not_the_job(files, job, monkeypatch):
    monkeypatch.setattr(processes, "available_threads", lambda: 1)

    def started(job, count):
        raise RuntimeError(f"{count} in a pool")

    monkeypatch.setattr(processes, "_pool", started)
    with pytest.raises(RuntimeError, match="1 in a pool"):
        list(processes.work(job, chunks(files), 0))
    assert list(processes.work(job, chunks(files), 1))  # asked for: this process, in which a decoder takes all with it


def test_processes_that_cannot_start_are_no_photos_fault(files, job, monkeypatch):
    own = processes.ProcessPoolExecutor
    monkeypatch.setattr(
        processes,
        "ProcessPoolExecutor",
        lambda workers, context, initializer, initargs: own(workers, context, fragile.fail, initargs),
    )
    with pytest.raises(TwinlensError) as caught:
        list(processes.work(job, chunks(files), 2))
    assert caught.value.code == "engine_failed" and "--workers 1" in caught.value.detail


def test_what_is_wrong_with_the_model_is_raised_at_once(job, tmp_path, settings):
    with pytest.raises(TwinlensError) as caught:
        list(processes.work(Job(settings, tmp_path / "nowhere"), chunks([tmp_path]), 2))
    assert caught.value.code == "model_not_found"


def test_nothing_to_do_starts_nothing(job):
    assert list(processes.work(job, [], 2)) == []
