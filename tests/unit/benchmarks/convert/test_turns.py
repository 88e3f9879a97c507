import threading

from benchmarks.convert.turns import Turns

PATIENCE = 20


def test_many_run_together() -> None:
    turns, both = Turns(), threading.Barrier(2)

    def run() -> None:
        with turns.together():
            both.wait(PATIENCE)  # breaks unless the other is in there too

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not both.broken


def test_who_is_alone_waits_for_the_others_and_goes_before_later_ones() -> None:
    turns, seen = Turns(), []
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with turns.together():
            inside.set()
            assert leave.wait(PATIENCE)
            seen.append("first")

    def alone() -> None:
        with turns.alone():
            seen.append("alone")

    def later() -> None:
        with turns.together():
            seen.append("later")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert inside.wait(PATIENCE)
    for target in (alone, later):
        threads.append(threading.Thread(target=target))
        threads[-1].start()
        while target is alone and not turns._waiting:
            pass
    leave.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == ["first", "alone", "later"]


def test_a_step_that_raises_gives_its_turn_back() -> None:
    turns = Turns()
    for turn in (turns.together, turns.alone):
        try:
            with turn():
                raise ValueError
        except ValueError:
            pass
    with turns.alone():
        pass
