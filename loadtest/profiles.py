"""What the load test compares: ways to an answer, networks, and classes of device."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Way = Literal["device", "original", "shrunk"]
WAYS: Final[tuple[Way, ...]] = ("device", "original", "shrunk")
"""On the device; the server with the photo as it is; the server with the photo made small in the browser first."""


class Network(NamedTuple):
    """A visitor's line: kilobits (1000 bits) a second each way, and milliseconds there and back."""

    name: str
    down_kbps: int
    up_kbps: int
    rtt_ms: int


class Device(NamedTuple):
    """A class of device: what share of this machine's speed a thread of its browser has; None for no limit."""

    name: str
    share: float | None

    @property
    def factor(self) -> float:
        """How fast one thread of it is, as a share of this machine's speed."""
        return 1.0 if self.share is None else self.share


NETWORKS: Final = {
    network.name: network
    for network in (
        Network("fibre", 100_000, 40_000, 10),
        # WebPageTest's connectivity profiles of the same names, without their loss of packets.
        Network("4g", 9_000, 9_000, 170),
        Network("slow-3g", 400, 400, 400),
    )
}
DEVICES: Final = {
    device.name: device for device in (Device("desktop", None), Device("phone", 1 / 4), Device("slow-phone", 1 / 8))
}
