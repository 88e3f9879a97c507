import pytest

from tests.unit.training.retrain.made import row
from training.retrain import held_out
from training.retrain.held_out import hold_out, judged_by, new_reviews, trained_on
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT
from twinlens.errors import TwinlensError
from twinlens.review.decide import Reviewer

SEEN = "2026-11-27T08:00:00+00:00"
BASE = [row(number) for number in range(11, 51)]


def held(rows):
    return {each.path for each in rows if each.split == HELD_OUT}


def test_one_in_five_new_reviewed_photos_is_held_out_whatever_the_order():
    new = [row(number, reviewed=SEEN) for number in range(100, 150)]
    rows = hold_out([*BASE, *new], BASE)
    assert held(rows) == {f"a/{number}.png" for number in range(100, 150, 5)}
    assert [each.path for each in rows] == [each.path for each in [*BASE, *new]]
    assert held(hold_out([*new[::-1], *BASE], BASE)) == held(rows)


def test_what_is_held_out_stays_that_whatever_is_learned_later():
    new = [row(number, reviewed=SEEN) for number in range(100, 150)]
    first = hold_out([*BASE, *new], BASE)
    more = [row(number, reviewed=SEEN) for number in range(200, 220)]
    second = hold_out([*first, *more], first)
    assert held(first) < held(second)
    assert len(held(second)) == 14
    assert hold_out(second, second) == second


def test_photos_that_the_model_has_learned_from_or_nobody_has_reviewed_are_learned_from():
    reviewed = [each.model_copy(update={"reviewed": SEEN, "label": "b"}) for each in BASE]
    assert held(hold_out(reviewed, BASE)) == set()
    assert held(hold_out([*BASE, *(row(number) for number in range(100, 150))], BASE)) == set()


def test_what_is_in_no_split_is_learned_from_or_held_out_and_test_stays():
    rows = [*BASE, row(3, "test", "test"), row(100, split=None, reviewed=SEEN), row(101, split=None)]
    copy = row(3, "other", None)
    found = hold_out([*rows, copy], [*BASE, row(3, "test", "test")])
    assert [each.split for each in found[-4:]] == ["test", HELD_OUT, "train", "test"]


def test_a_group_stays_together_and_one_that_was_learned_from_is_not_torn():
    groups = [f"person {number}" for number in range(40)]
    new = [row(100 + number, group=groups[number // 2], reviewed=SEEN if number % 2 else None) for number in range(80)]
    chosen = {each.group for each in hold_out([*BASE, *new], BASE) if each.split == HELD_OUT}
    assert chosen
    rows = hold_out([*BASE, *new], BASE)
    assert all(each.split == HELD_OUT for each in rows if each.group in chosen)
    known = next(iter(chosen))
    base = [*BASE, row(999, group=known)]
    assert known not in {each.group for each in hold_out([*base, *new], base) if each.split == HELD_OUT}
    # What comes to a group that is held out later is not learned from either.
    joined = hold_out([*rows, row(500, group=known)], rows)
    assert joined[-1].split == HELD_OUT


def test_a_label_keeps_something_to_learn_from():
    rows = [*BASE, row(100, "new", reviewed=SEEN), row(105, "new", reviewed=SEEN)]
    assert len(held(hold_out(rows, BASE))) == 1


def test_reviews_that_are_new():
    again = BASE[0].model_copy(update={"reviewed": SEEN})
    base = [again, *BASE[1:]]
    assert new_reviews(base, base) == 0
    assert new_reviews(base, BASE) == 1
    relabelled = again.model_copy(update={"label": "b", "reviewed": "2026-11-28T08:00:00+00:00"})
    assert new_reviews([relabelled, row(100, reviewed=SEEN), row(101)], base) == 2


def test_a_candidate_is_judged_by_test_photos_that_are_as_they_were():
    test = [row(number, split="test") for number in range(60, 70)]
    base = [*BASE, *test]
    changed = [test[0].model_copy(update={"label": "b"}), *test[2:], row(99, split="test")]
    now, out, before = judged_by(
        [*BASE, *changed, row(100, split=HELD_OUT, reviewed=SEEN), row(105, split=HELD_OUT)], base
    )
    assert (len(now), before) == (8, 10)
    assert [each.path for each in out] == ["a/100.png"], "in its group, and looked at by nobody"


def test_the_manifest_of_a_model_is_found_wherever_it_is_kept(tmp_path):
    folder = tmp_path / "data"
    manifest.write(folder, BASE)
    first = manifest.digest(BASE)
    assert trained_on(folder, first) == BASE
    plain = manifest.plain_digest((str(each.split), each.label, each.sha256) for each in BASE)
    assert trained_on(folder, plain) == BASE, "trained before there was a manifest"
    more = [*BASE, row(100)]
    manifest.write(folder, more)
    assert trained_on(folder, first) == BASE
    with pytest.raises(TwinlensError, match="--trained-on") as caught:
        trained_on(folder, "0" * 64)
    assert caught.value.code == "invalid_data"
    elsewhere = tmp_path / "run"
    manifest.write(elsewhere, [row(7)])
    assert trained_on(folder, manifest.digest([row(7)]), [elsewhere]) == [row(7)]
    assert trained_on(folder, manifest.digest([row(7)]), [elsewhere / "manifest.jsonl"]) == [row(7)]


def test_the_manifest_of_a_model_is_made_again_from_the_log_of_reviews(tmp_path):
    folder = tmp_path / "data"
    manifest.write(folder, BASE)
    reviewer = Reviewer(folder, "ana")
    for number in (11, 12, 13):
        reviewer.relabel(f"a/{number}.png", "a", "b")
    middle = manifest.digest(manifest.require(folder))
    reviewer.confirm("a/14.png", "a")
    reviewer.relabel("a/15.png", "a", "b")
    # Another command has written the manifest since, so the log does not lead back from the one of now.
    manifest.write(folder, [*manifest.require(folder), row(100)])
    assert {each.label for each in trained_on(folder, manifest.digest(BASE))} == {"a"}
    assert manifest.digest(trained_on(folder, middle)) == middle


def test_one_in_five_is_what_is_said():
    assert held_out.EVERY == 5
