import numpy as np
import pytest

from twinlens.paired import mcnemar, paired


def right(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array(a), np.array(b)


def test_the_interval_is_agresti_and_mins() -> None:
    # The example of R's PropCIs::diffpropci.mp(b = 40, c = 20, n = 160), which its manual prints.
    found = paired(*right(60, 40, 20, 40))
    assert found.interval == (pytest.approx(-0.21601726), pytest.approx(-0.03089632))
    assert found.difference == -0.125


def test_the_table_of_a_published_example() -> None:
    # Approval of a prime minister in two surveys, in Agresti's Categorical Data Analysis, where Wald's interval without
    # the half photos is 0.02 to 0.06. The p-value is SciPy's: binomtest(86, 236).pvalue.
    found = paired(*right(794, 150, 86, 570))
    assert (found.both, found.only_a, found.only_b, found.neither) == (794, 150, 86, 570)
    assert found.interval == (pytest.approx(-0.0587, abs=1e-4), pytest.approx(-0.0212, abs=1e-4))
    assert found.p_value == pytest.approx(3.71594e-5, rel=1e-4)


@pytest.mark.parametrize(
    # From SciPy 1.17: scipy.stats.binomtest(only_a, only_a + only_b).pvalue.
    ("only_a", "only_b", "p_value"),
    [(0, 0, 1.0), (3, 3, 1.0), (0, 5, 0.0625), (7, 34, 2.53208e-05), (34, 7, 2.53208e-05), (600, 700, 0.00601579)],
)
def test_the_p_value_is_that_of_the_exact_test(only_a: int, only_b: int, p_value: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p_value, rel=1e-4)


def test_two_that_never_differ_have_an_interval_around_nothing() -> None:
    found = paired(*right(90, 0, 0, 10))
    assert found.difference == 0
    assert -0.03 < found.interval[0] < 0 < found.interval[1] < 0.03


def test_the_interval_stays_within_what_is_possible() -> None:
    assert paired(*right(0, 0, 2, 0)).interval[1] <= 1.0


def test_the_interval_holds_the_true_difference_about_19_times_of_20() -> None:
    generator = np.random.default_rng(0)
    chances = [0.8, 0.07, 0.04, 0.09]
    held = 0
    for counts in generator.multinomial(200, chances, 400):
        low, high = paired(*right(*counts)).interval
        held += low <= 0.04 - 0.07 <= high
    assert held / 400 == pytest.approx(0.95, abs=0.03)
