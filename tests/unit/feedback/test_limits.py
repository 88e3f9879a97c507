"""How often a client may speak, and who a client is."""

from __future__ import annotations

import pytest

from twinlens.errors import TwinlensError
from twinlens.feedback.limits import Rate, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("192.0.2.7 and more", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_client_is_an_address_or_a_household(address: str | None, network: str) -> None:
    assert network_of(address) == network


def test_each_client_has_a_limit_of_its_own() -> None:
    rate = Rate(3)
    for _ in range(3):
        rate.hit("a")
    with pytest.raises(TwinlensError) as caught:
        rate.hit("a")
    assert (caught.value.code, caught.value.status) == ("feedback_rate", 429)
    assert 58 <= caught.value.retry_seconds <= 60
    rate.hit("b")


def test_those_who_said_nothing_for_long_are_forgotten_a_few_at_a_time() -> None:
    rate = Rate(50)
    for number in range(50):
        rate.hit(f"client {number}")
    for events in rate._storage.events.values():
        events.clear()  # as the storage does a minute later
    rate.hit("one more")
    assert len(rate._storage.events) == 49  # two are gone, one has come: nobody waits for a look at all of them
    for _ in range(40):
        rate.hit("one more")
    assert len(rate._storage.events) == len(rate._known) == 1
    rate.hit("client 7")
    assert len(rate._storage.events) == len(rate._known) == 2
