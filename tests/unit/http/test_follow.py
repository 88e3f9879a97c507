import itertools
import os

from twinlens.http.follow import Follower


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_it_is_due_at_first_and_then_only_when_current_was_written(tmp_path):
    current = tmp_path / "current"
    current.write_text("v1\n")
    follower = Follower(tmp_path)
    assert follower.due()
    assert not follower.due()
    current.write_text("v22\n")
    assert follower.due()
    assert not follower.due()
    (tmp_path / "new").write_text("v33\n")
    (tmp_path / "new").replace(current)
    assert follower.due()


def test_the_same_text_written_again_within_one_tick_of_the_clock_is_seen_by_its_file(tmp_path):
    current = tmp_path / "current"
    current.write_text("v1\n")
    follower = Follower(tmp_path)
    follower.due()
    status = current.stat()
    (tmp_path / "new").write_text("v2\n")
    os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new").replace(current)
    assert follower.due()


def test_what_failed_is_tried_again_later_and_once(tmp_path):
    clock = Clock()
    follower = Follower(tmp_path, clock=clock)
    assert follower.due(), "nothing there is looked at once too"
    follower.failed()
    clock.now = 29
    assert not follower.due()
    clock.now = 31
    assert follower.due()
    assert not follower.due()
    (tmp_path / "current").write_text("v1\n")
    assert follower.due()


def test_what_fails_again_and_again_is_tried_ever_less_often_until_current_is_written(tmp_path):
    current, clock, tries = tmp_path / "current", Clock(), []
    current.write_text("v1\n")
    follower = Follower(tmp_path, clock=clock)
    for clock.now in range(7200):
        if follower.due():
            follower.failed()
            tries.append(clock.now)
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert waits == [30, 60, 120, 240, 480, *[960] * (len(waits) - 5)] and len(waits) == 11
    current.write_text("v22\n")
    assert follower.due()
    follower.failed()
    clock.now += 30
    assert follower.due()


def test_an_index_that_was_made_anew_lets_it_look_again_at_once(tmp_path):
    index = tmp_path / "index" / "index.json"
    follower = Follower(tmp_path, index, clock=lambda: 0.0)
    assert follower.due() and not follower.due()
    follower.failed()
    assert not follower.due()
    index.parent.mkdir()
    index.write_text("{}")
    assert follower.due() and not follower.due()
