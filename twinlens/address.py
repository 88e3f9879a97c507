"""The address that a server of ours is to listen on, looked at before the server starts."""

from __future__ import annotations

import errno
import socket

from twinlens.errors import TwinlensError


def free_address(host: str, port: int, command: str) -> str:
    """The address of a host, if its port can be listened on now.

    :param command: what a person types, for the advice to choose another port.
    :raises TwinlensError: ``port_in_use``; ``invalid_setting`` for an address that cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except UnicodeError:  # raised by the codec of host names
        raise TwinlensError(
            "invalid_setting", f"Cannot listen on {host!r}, port {port}: this cannot be the name of a host."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise TwinlensError(
                "port_in_use",
                f"Port {port} of {host} is taken by another program. Stop that one, or choose another port: "
                f"{command} --port {port + 1 if port < 65535 else port - 1}",
            ) from None
        raise TwinlensError(
            "invalid_setting", f"Cannot listen on {host}, port {port}: {error.strerror or error}."
        ) from None
    return str(address[0])
