"""The database servers that this user has named himself: no other is ever contacted.

An archive's file says where its index is, and an archive may come from anybody: whoever connects to a server that it
names hands that server the password of ``~/.pgpass`` or ``PGPASSWORD``.
"""

import os
from pathlib import Path
from typing import Final

from capas.core.errors import CapasError
from capas.core.files import read_regular, write_json
from capas.core.parsing import parse_json

# Parts of an address that send a connection elsewhere than the host it shows, or take files of this computer along.
MISLEADING: Final = (
    "hostaddr", "passfile", "service", "sslkey", "sslcert", "sslrootcert", "sslcrl", "krbsrvname",
    "gsslib", "options",
)  # fmt: skip
MAX_BYTES: Final = 1_000_000


def known_servers_file() -> Path:
    """Return ``$XDG_CONFIG_HOME/capas/servers.json`` or ``~/.config/capas/servers.json``."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "capas" / "servers.json"


def known_servers() -> frozenset[str]:
    """Return the addresses that the user has named; none where there is no such file or it cannot be read."""
    path = known_servers_file()
    try:
        held = parse_json(read_regular(path, max_bytes=MAX_BYTES))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(one for one in held if isinstance(one, str)) if isinstance(held, list) else frozenset()


def remember_server(address: str) -> None:
    """Add a server that the user has named. Raises CapasError ``disk_full`` or ``cannot_write``."""
    if address not in (known := known_servers()):
        write_json(known_servers_file(), sorted(known | {address}))


def check_known(address: str, *, where: Path) -> None:
    """Raise CapasError ``server_unknown`` where the user has not named this server himself."""
    if address not in known_servers():
        raise CapasError("server_unknown", where=where, received=address)


def check_plain(address: str, *, where: Path) -> None:
    """Raise CapasError ``server_misleading`` where an address from an archive does more than name a server, and
    ``spots_server`` where it is none.

    Who confirms an address reads its host; parts that lead elsewhere are left to those who type them themselves.
    """
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = [name for name in conninfo_to_dict(address) if name in MISLEADING]
    except Error as error:
        raise CapasError("spots_server", received=str(error).strip()) from error
    if found:
        raise CapasError("server_misleading", where=where, received=address, parts=", ".join(found))
