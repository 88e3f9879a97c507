"""How often a client may speak: a moving window for each, in the memory of the one process that serves.

A client is an address. Behind a proxy that is the one that the proxy names, if ``FORWARDED_ALLOW_IPS`` says that it is
to be believed. Of IPv6 it is the network that one household or one machine has, of which it may use any address.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import deque
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from twinlens.errors import TwinlensError

_IPV6_PREFIX: Final = 64
_LOOKED_AT: Final = 2


def network_of(address: str | None) -> str:
    """What tells one client from another.

    :param address: of the connection, or as a proxy names it; None over a socket that has none. Whatever is no address
        is one client, or who writes a header could be as many as they like.
    """
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), _IPV6_PREFIX), strict=False))


class Rate:
    """The limit of each client.

    :param per_minute: how often a client may speak within any minute.
    """

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._known: deque[str] = deque()

    def hit(self, client: str) -> None:
        """Count one word of a client.

        :raises TwinlensError: ``feedback_rate`` if it is one too many, with the seconds until the next one may come.
        """
        self._forget()
        key = self._item.key_for(client)
        if key not in self._storage.events:
            self._known.append(key)
        if self._limiter.hit(self._item, client):
            return
        seconds = max(1, math.ceil(self._limiter.get_window_stats(self._item, client).reset_time - time.time()))
        raise TwinlensError(
            "feedback_rate",
            f"More than {self._item.amount} words on photos within a minute. Try again in {seconds} seconds.",
            seconds,
        )

    def _forget(self) -> None:
        """Drop clients who have said nothing for a minute, of whom the storage would keep an empty list each.

        It looks at more clients than one word can bring, and at no more: this is the thread that answers everyone.
        """
        for _ in range(min(_LOOKED_AT, len(self._known))):
            key = self._known.popleft()
            if self._storage.events.get(key):
                self._known.append(key)
            else:
                self._storage.clear(key)
