"""What is a decision, and what is none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from twinlens.feedback.verdict import Verdict


@pytest.mark.parametrize(
    "given",
    [
        {"action": "accept", "label": "帽子", "who": "ana"},
        {"action": "set-aside", "who": "ana"},
        {"action": "reopen"},
    ],
)
def test_a_decision(given: dict[str, str]) -> None:
    assert Verdict.model_validate(given).model_dump(exclude_none=True) == given


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "burn", "who": "ana"},
        {"action": "accept", "who": "ana"},
        {"action": "accept", "label": "hat"},
        {"action": "accept", "label": "", "who": "ana"},
        {"action": "accept", "label": "../hat", "who": "ana"},
        {"action": "accept", "label": " hat", "who": "ana"},
        {"action": "accept", "label": "a\0b", "who": "ana"},
        {"action": "accept", "label": "x" * 201, "who": "ana"},
        {"action": "accept", "label": "hat", "who": " "},
        {"action": "accept", "label": "hat", "who": "a\nb"},
        {"action": "accept", "label": "hat", "who": "x" * 101},
        {"action": "set-aside", "label": "hat", "who": "ana"},
        {"action": "set-aside"},
        {"action": "reopen", "who": "ana"},
        {"action": "reopen", "more": 1},
    ],
)
def test_what_is_none(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Verdict.model_validate(given)
