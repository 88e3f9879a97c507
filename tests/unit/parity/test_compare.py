from pathlib import Path

import pytest

from parity.compare import Comparison, png_goals, score_goals
from parity.photos import Photo
from parity.sides import Answer

PHOTO = Photo("shirt/a.jpg", Path("a.jpg"), {"orientation": 6})
REFUSED = Answer(None, error="broken_image")


def compared(server: tuple[float, float] | None, page: tuple[float, float] | None, **more) -> Comparison:
    sides = [Answer(dict(zip(("shirt", "hat"), one, strict=True))) if one else REFUSED for one in (server, page)]
    return Comparison(PHOTO, *sides, **more)


def values(goals) -> dict:
    return {goal.name: (pytest.approx(goal.value) if goal.value is not None else None, goal.met) for goal in goals}


def test_the_difference_is_the_largest_over_all_labels() -> None:
    answers = [Answer({"a": 0.5, "b": 0.3, "c": 0.2}), Answer({"a": 0.5, "b": 0.25, "c": 0.25})]
    one = Comparison(PHOTO, *answers)
    assert one.difference == pytest.approx(0.05)
    assert one.margin == pytest.approx(0.2)
    assert one.agrees


def test_goals_that_are_met() -> None:
    goals = values(score_goals([compared((0.9, 0.1), (0.899, 0.101)), compared((0.2, 0.8), (0.2, 0.8))]))
    assert goals == {
        "top1_agreement_at_margin": (1.0, True),
        "mean_score_difference": (0.0005, True),
        "max_score_difference": (0.001, True),
    }


def test_another_label_counts_only_where_the_server_is_clear() -> None:
    near = compared((0.505, 0.495), (0.495, 0.505))
    assert values(score_goals([near]))["top1_agreement_at_margin"] == (None, False), "no photo is clear"
    clear = compared((0.52, 0.48), (0.48, 0.52))
    assert values(score_goals([clear, near, near]))["top1_agreement_at_margin"] == (0.0, False)


def test_goals_that_are_missed() -> None:
    goals = values(score_goals([compared((0.9, 0.1), (0.87, 0.13)), compared((0.9, 0.1), (0.9, 0.1))], "large_"))
    assert goals["large_mean_score_difference"] == (0.015, False)
    assert goals["large_max_score_difference"] == (0.03, False)


@pytest.mark.parametrize("sides", [((0.9, 0.1), None), (None, (0.9, 0.1))])
def test_an_answer_of_one_side_alone_is_the_largest_difference(sides) -> None:
    goals = values(score_goals([compared(*sides)]))
    assert goals["max_score_difference"] == (1.0, False)
    assert goals["top1_agreement_at_margin"] == (0.0, False)


def test_a_photo_that_both_sides_refuse_is_listed_and_not_counted() -> None:
    refused = compared(None, None)
    assert values(score_goals([refused, compared((0.9, 0.1), (0.9, 0.1))]))["mean_score_difference"] == (0.0, True)
    assert refused.row("photos") == {
        "group": "photos",
        "photo": "shirt/a.jpg",
        "orientation": 6,
        "server": {"error": "broken_image"},
        "page": {"error": "broken_image"},
    }


def test_nothing_measured_meets_no_goal() -> None:
    assert not any(goal.met for goal in [*score_goals([]), *png_goals([])])


def test_other_labels_are_the_largest_difference() -> None:
    assert Comparison(PHOTO, Answer({"shirt": 1.0}), Answer({"hat": 1.0})).difference == 1.0


def test_png_inputs_must_be_the_same() -> None:
    answers = Answer({"a": 0.6, "b": 0.4}), Answer({"a": 0.6, "b": 0.4}, input_sha256="00")
    same, other = (Comparison(PHOTO, *answers, input_sha256=digest) for digest in ("00", "ff"))
    assert values(png_goals([same, same]))["png_tensors_identical"] == (1.0, True)
    assert values(png_goals([same, other]))["png_tensors_identical"] == (0.5, False)
    assert same.row("png")["same_input"] is True
    assert not Comparison(PHOTO, answers[0], answers[0]).same_input, "an input that was not told is not the same"


def test_a_row_tells_both_answers() -> None:
    row = compared((0.9, 0.1), (0.8, 0.2)).row("photos")
    assert row["server"] == {"label": "shirt", "score": 0.9}
    assert row["page"] == {"label": "shirt", "score": 0.8}
    assert row["difference"] == pytest.approx(0.1)
