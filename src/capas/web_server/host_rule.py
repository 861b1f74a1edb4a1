"""Which ``Host`` headers a server answers to: the defence against DNS rebinding.

A page of another site can make its own name resolve to 127.0.0.1 and then read what a local server answers, as the
browser takes both for the same site (MLflow, CVE-2025-14279). The ``Host`` header still carries the foreign name.
"""

import ipaddress
import socket
from typing import Final

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


def is_own_host(header: str, *, bound_host: str, port: int) -> bool:
    """Return whether a ``Host`` header names this server.

    The port must be the server's, and the name the one it was bound to or one of this computer's. A server for the
    network also answers to its computer's name and to any IP address, which cannot be rebound.

    Args:
        header: The value of the header.
        bound_host: The host that the server was told to listen on.
        port: The port on which it listens.

    >>> is_own_host("localhost:8765", bound_host="127.0.0.1", port=8765)
    True
    >>> is_own_host("evil.example:8765", bound_host="127.0.0.1", port=8765)
    False
    """
    name, _, given_port = header.rpartition(":") if header.rpartition(":")[2].isdecimal() else (header, "", "80")
    if given_port != str(port):
        return False
    own = bound_host.strip("[]")
    if name.lower() in LOOPBACK_NAMES | {own.lower(), f"[{own}]".lower()}:
        return True
    return not is_loopback(own) and (is_ip_address(name.strip("[]")) or name.lower() == socket.gethostname().lower())


def browser_address(bound_host: str, port: int) -> str:
    """Return the URL under which a browser on this computer finds a server.

    >>> browser_address("0.0.0.0", 80), browser_address("::1", 81)
    ('http://127.0.0.1:80/', 'http://[::1]:81/')
    """
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound_host, bound_host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def is_loopback(host: str) -> bool:
    """Return whether only this computer reaches ``host``."""
    return host == "localhost" or (is_ip_address(host) and ipaddress.ip_address(host).is_loopback)


def is_ip_address(host: str) -> bool:
    """Return whether ``host`` is an IPv4 or IPv6 address without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
