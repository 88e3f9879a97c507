import pickle

import pytest

from twinlens.errors import CODES, TwinlensError


def test_an_error_carries_its_codes_status_and_title():
    error = TwinlensError("not_an_image", "These are no image.")
    assert (error.status, error.title) == (422, "The bytes are not an image")
    assert str(error) == error.detail == "These are no image."


def test_an_unknown_code_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        TwinlensError("no_such_code", "")


def test_an_error_survives_another_process():
    error = pickle.loads(pickle.dumps(TwinlensError("overloaded", "There is no room.", 7)))
    assert (type(error), error.code, error.detail) == (TwinlensError, "overloaded", "There is no room.")
    assert error.retry_seconds == 7


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("missing_image", 400),
        ("invalid_image_field", 400),
        ("invalid_top_k", 400),
        ("not_found", 404),
        ("body_too_large", 413),
        ("too_many_pixels", 413),
        ("unsupported_format", 415),
        ("not_an_image", 422),
        ("broken_image", 422),
        ("overloaded", 429),
        ("not_ready", 503),
        ("timeout", 504),
        ("unauthorised", 401),
        ("unknown_label", 422),
        ("feedback_rate", 429),
        ("feedback_quota", 429),
        ("feedback_unavailable", 503),
        ("feedback_full", 507),
    ],
)
def test_the_statuses_that_clients_rely_on(code, status):
    assert CODES[code].status == status


def test_codes_are_words_and_titles_are_short():
    assert all(code.isidentifier() and code.islower() for code in CODES)
    assert all(len(meaning.title) < 75 and not meaning.title.endswith(".") for meaning in CODES.values())
