import pytest

from tests.unit.training.retrain.made import data_set, row
from training.dataset.twins import Pair, exact_pairs
from training.retrain import held_out
from training.retrain.held_out import hold_out, learned, new_reviews, to_judge_by, trained_on, unchanged
from twinlens.dataset import manifest
from twinlens.dataset.manifest import HELD_OUT
from twinlens.errors import TwinlensError
from twinlens.review.decide import Reviewer

SEEN = "2026-11-27T08:00:00+00:00"
BASE = [row(number) for number in range(11, 51)]


def hold(rows, base, near=(), learned=()):
    """Held out, where some photos show nearly the same: pairs of indices."""
    pairs = [*exact_pairs(rows), *(Pair(one, other, 7, False) for one, other in near)]
    return hold_out(rows, base, pairs, learned)


def held(rows):
    return {each.path for each in rows if each.split == HELD_OUT}


def test_one_in_five_new_reviewed_photos_is_held_out_whatever_the_order():
    new = [row(number, reviewed=SEEN) for number in range(100, 150)]
    rows = hold([*BASE, *new], BASE)
    assert held(rows) == {f"a/{number}.png" for number in range(100, 150, 5)}
    assert [each.path for each in rows] == [each.path for each in [*BASE, *new]]
    assert held(hold([*new[::-1], *BASE], BASE)) == held(rows)


def test_what_is_held_out_stays_that_whatever_is_learned_later():
    new = [row(number, reviewed=SEEN) for number in range(100, 150)]
    first = hold([*BASE, *new], BASE)
    more = [row(number, reviewed=SEEN) for number in range(200, 220)]
    second = hold([*first, *more], first)
    assert held(first) < held(second)
    assert len(held(second)) == 14
    assert hold(second, second) == second


def test_photos_that_the_model_has_learned_from_or_nobody_has_reviewed_are_learned_from():
    reviewed = [each.model_copy(update={"reviewed": SEEN, "label": "b"}) for each in BASE]
    assert held(hold(reviewed, BASE)) == set()
    assert held(hold([*BASE, *(row(number) for number in range(100, 150))], BASE)) == set()


def test_what_is_in_no_split_is_learned_from_or_held_out_and_test_stays():
    rows = [*BASE, row(3, "test", "test"), row(100, split=None, reviewed=SEEN), row(101, split=None)]
    copy = row(3, "other", None)
    found = hold([*rows, copy], [*BASE, row(3, "test", "test")])
    assert [each.split for each in found[-4:]] == ["test", HELD_OUT, "train", "test"]


def test_a_group_stays_together_and_one_that_was_learned_from_is_not_torn():
    groups = [f"person {number}" for number in range(40)]
    new = [row(100 + number, group=groups[number // 2], reviewed=SEEN if number % 2 else None) for number in range(80)]
    chosen = {each.group for each in hold([*BASE, *new], BASE) if each.split == HELD_OUT}
    assert chosen
    rows = hold([*BASE, *new], BASE)
    assert all(each.split == HELD_OUT for each in rows if each.group in chosen)
    known = next(iter(chosen))
    base = [*BASE, row(999, group=known)]
    assert known not in {each.group for each in hold([*base, *new], base) if each.split == HELD_OUT}
    # What comes to a group that is held out later is not learned from either.
    joined = hold([*rows, row(500, group=known)], rows)
    assert joined[-1].split == HELD_OUT


def test_a_label_keeps_something_to_learn_from():
    rows = [*BASE, row(100, "new", reviewed=SEEN), row(105, "new", reviewed=SEEN)]
    assert len(held(hold(rows, BASE))) == 1


@pytest.mark.parametrize("split", ["test", "validation"])
def test_what_shows_the_same_as_a_photo_that_is_judged_by_is_not_learned_from(split):
    judge = row(60, "a", split, group="person 1")
    rows = [*BASE, judge, row(101, split=None, group="person 1"), row(102, split=None), row(103, split=None)]
    found = hold(rows, [*BASE, judge], near=[(len(BASE), len(BASE) + 2)])
    assert [each.split for each in found[-3:]] == [split, split, "train"]


def test_nearly_the_same_picture_is_held_out_or_learned_from_as_one():
    new = [row(100, reviewed=SEEN), row(101), row(105, reviewed=SEEN)]
    rows, last = [*BASE, *new], len(BASE)
    assert held(hold(rows, BASE, near=[(last, last + 1)])) == {"a/100.png", "a/101.png", "a/105.png"}
    assert held(hold(rows, BASE, near=[(0, last)])) == {"a/105.png"}, "the model has learned from what is nearly it"


def test_what_any_published_version_has_learned_from_is_not_held_out_after_going_back():
    new = [row(100, reviewed=SEEN), row(105, reviewed=SEEN)]
    assert held(hold([*BASE, *new], BASE, learned=[new[0].sha256])) == {"a/105.png"}
    out = [each.model_copy(update={"split": HELD_OUT}) for each in new]
    assert to_judge_by([*out, row(110, split=HELD_OUT)], {new[0].sha256}) == out[1:], "and nobody has looked at 110"


def test_what_versions_have_learned_from_is_in_their_manifests(tmp_path):
    folder, run = tmp_path / "data", tmp_path / "run"
    manifest.write(folder, BASE)
    of_run = [row(7), row(8, split="validation"), row(9, split="test"), row(10, split=HELD_OUT)]
    manifest.write(run, of_run)
    assert learned(folder, {manifest.digest(of_run)}, [run]) == {row(7).sha256, row(8).sha256}
    manifest.write(folder, [*BASE, row(100)])
    assert learned(folder, {manifest.digest(BASE)}, [run]) == {each.sha256 for each in BASE}


def test_reviews_that_are_new():
    again = BASE[0].model_copy(update={"reviewed": SEEN})
    base = [again, *BASE[1:]]
    assert new_reviews(base, (), base) == 0
    assert new_reviews(base, (), BASE) == 1
    relabelled = again.model_copy(update={"label": "b", "reviewed": "2026-11-28T08:00:00+00:00"})
    now = [relabelled, row(100, reviewed=SEEN), row(101)]
    assert new_reviews(now, (), base) == 2
    assert new_reviews(now, (), base, [row(100, reviewed=SEEN)]) == 1, "new is what neither has"


def test_photos_that_were_set_aside_are_reviewed_too(tmp_path):
    rows = data_set(tmp_path)
    reviewer = Reviewer(tmp_path, "ana")
    for each in rows[:2]:
        reviewer.set_aside(each.path, each.label)
    now, aside = manifest.require(tmp_path), held_out.set_aside(tmp_path)
    assert aside == {each.sha256 for each in rows[:2]}
    assert new_reviews(now, aside, rows) == 2
    assert new_reviews(now, aside, rows, rows[1:]) == 1, "one was gone the last time already"
    reviewer.undo()
    assert new_reviews(manifest.require(tmp_path), held_out.set_aside(tmp_path), rows) == 1


def test_a_candidate_is_judged_by_test_photos_that_are_as_they_were():
    test = [row(number, split="test") for number in range(60, 70)]
    base = [*BASE, *test]
    changed = [test[0].model_copy(update={"label": "b"}), *test[2:], row(99, split="test")]
    copy = test[2].model_copy(update={"path": "a/copy.png"})
    now, before = unchanged([*BASE, *changed, copy], [*base, copy], "test")
    assert (len(now), before) == (8, 10), "a copy is no other photo, so nothing makes up for one that was changed"


def test_the_judge_of_then_has_the_labels_of_then():
    test = [row(number, split="test") for number in range(60, 64)]
    relabelled = test[0].model_copy(update={"label": "b"})
    to_learn = test[1].model_copy(update={"split": "train"})
    found = held_out.judge_of_then([*BASE, relabelled, to_learn, test[2], row(99, split="test")], [*BASE, *test])
    assert found == [test[0], test[2]]


def test_the_manifest_of_a_model_is_found_wherever_it_is_kept(tmp_path):
    folder = tmp_path / "data"
    manifest.write(folder, BASE)
    first = manifest.digest(BASE)
    assert trained_on(folder, "v1", first) == BASE
    plain = manifest.plain_digest((str(each.split), each.label, each.sha256) for each in BASE)
    assert trained_on(folder, "v1", plain) == BASE, "trained before there was a manifest"
    more = [*BASE, row(100)]
    manifest.write(folder, more)
    assert trained_on(folder, "v1", first) == BASE
    with pytest.raises(TwinlensError, match=r"v1 .*--trained-on") as caught:
        trained_on(folder, "v1", "0" * 64)
    assert caught.value.code == "invalid_data"
    elsewhere = tmp_path / "run"
    manifest.write(elsewhere, [row(7)])
    assert trained_on(folder, "v1", manifest.digest([row(7)]), [elsewhere]) == [row(7)]
    assert trained_on(folder, "v1", manifest.digest([row(7)]), [elsewhere / "manifest.jsonl"]) == [row(7)]


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
    assert {each.label for each in trained_on(folder, "v1", manifest.digest(BASE))} == {"a"}
    assert manifest.digest(trained_on(folder, "v1", middle)) == middle


def test_one_in_five_is_what_is_said():
    assert held_out.EVERY == 5
