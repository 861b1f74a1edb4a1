"""Location of an archive's index: one file, a file for each fonds, or a schema on a PostgreSQL server.

A new index is built beside the old one, and then replaces it.
"""

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from capas.archive.library.database import FILE, Library
from capas.archive.reading.known_servers import check_known, known_servers, remember_server
from capas.core.errors import CapasError
from capas.core.files import sync_folder, write_error
from capas.keyword_index.postgres_store import PostgresSpots
from capas.keyword_index.sharded_store import ShardedSpots
from capas.keyword_index.sqlite_store import SqliteSpots, empty_log
from capas.keyword_index.store import IndexOrigin, SpotStore

SPOTS: Final = "spots.sqlite"
SHARDS: Final = "spots"
FACT: Final = "index"
SCHEMES: Final = ("postgresql://", "postgres://")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexLocation:
    """Where the index is: one "file", "fonds" (a file for each) or "server", with its ``address`` and ``schema``."""

    kind: Literal["file", "fonds", "server"] = "file"
    address: str = ""
    schema: str = ""


def parse_location(wanted: str) -> IndexLocation:
    """Parse ``--store``: file, fonds or postgresql://….

    Raises:
        CapasError: ``store_unknown``, or ``store_password`` where the address holds one, which would be stored in the
            library.
    """
    if wanted == "file":
        return IndexLocation()
    if wanted == "fonds":
        return IndexLocation(kind="fonds")
    if not wanted.startswith(SCHEMES):
        raise CapasError("store_unknown", received=wanted)
    try:
        from psycopg import Error
        from psycopg.conninfo import conninfo_to_dict
    except ImportError as error:
        raise CapasError("extra_missing", received="psycopg", extra="archive") from error
    try:
        parts = conninfo_to_dict(wanted)
    except Error as error:
        raise CapasError("spots_server", received=str(error).strip()) from error
    if "password" in parts:
        raise CapasError("store_password")
    return IndexLocation(kind="server", address=wanted, schema=f"capas_{secrets.token_hex(6)}")


def write_location(library: Library, kept: IndexLocation) -> None:
    """Store where the index is; a server named here is one that the user knows."""
    if kept.kind == "server":
        remember_server(kept.address)
    library.set_fact(FACT, json.dumps(asdict(kept)))


def read_location(library: Library) -> IndexLocation:
    """Return where the index is; one file where nothing was stored.

    Raises:
        CapasError: ``server_unknown`` where it is on a server that this user has not named; ``archive_unreadable``.
    """
    place = stored_location(library)
    if place.kind == "server":
        check_known(place.address, where=library.folder)
    return place


_LOCATION: Final = TypeAdapter(IndexLocation)


def is_known(place: IndexLocation) -> bool:
    """Return whether the place may be contacted: files of the archive, and servers that the user has named."""
    return place.kind != "server" or place.address in known_servers()


def stored_location(library: Library) -> IndexLocation:
    """Return what the archive's file says about the place, not to be contacted. Raises CapasError
    ``archive_unreadable``.
    """
    held = library.fact(FACT)
    if not held:
        return IndexLocation()
    try:
        return _LOCATION.validate_json(held)
    except ValidationError as error:
        received = str(error.errors()[0]["msg"])
        raise CapasError("archive_unreadable", where=library.folder / FILE, received=received) from error


def open_store(
    library: Library, place: IndexLocation, origin: IndexOrigin | None = None, *, beside: bool = False
) -> SpotStore:
    """Open the index; with an ``origin`` it is created where there is none. ``beside``: the one that is being built."""
    match place.kind:
        case "file":
            return SqliteSpots(_file(library, SPOTS, beside), origin)
        case "fonds":
            if not beside and _aside(library).exists():
                with suppress(OSError):  # who may not write here waits for one who may
                    _finish_replacing(library)
            return ShardedSpots(_file(library, SHARDS, beside), lambda pages: fonds_of(library, pages), origin)
        case _:
            schema = f"{place.schema}_new" if beside else place.schema
            return PostgresSpots(place.address, origin, schema=schema)


def remove_store(library: Library, place: IndexLocation, *, beside: bool = False) -> None:
    """Delete the index, where there is one."""
    match place.kind:
        case "file":
            path = _file(library, SPOTS, beside)
            for one in (path, *_logs(path)):
                one.unlink(missing_ok=True)
        case "fonds":
            shutil.rmtree(_file(library, SHARDS, beside), ignore_errors=True)
        case _:
            try:
                store = PostgresSpots(place.address, schema=f"{place.schema}_new" if beside else place.schema)
            except CapasError as error:
                if error.key != "spots_missing":
                    raise
                return
            with store:
                store.drop()


def replace_store(library: Library, place: IndexLocation) -> None:
    """Replace the index by the one that was built beside it."""
    if place.kind == "server":
        with PostgresSpots(place.address, schema=f"{place.schema}_new") as store:
            store.take_place(place.schema)
        return
    if place.kind == "fonds":
        here = _file(library, SHARDS, False)
        aside = _aside(library)
        try:
            if here.exists():
                shutil.rmtree(aside, ignore_errors=True)
                here.rename(aside)
            _finish_replacing(library)
        except OSError as error:
            raise write_error(here, error) from error
        return
    here = _file(library, SPOTS, False)
    if here.exists():
        empty_log(here)
    try:
        for log in _logs(here):  # the new file must not be read with the log of the old
            log.unlink(missing_ok=True)
        _file(library, SPOTS, True).replace(here)
        sync_folder(library.folder)
    except OSError as error:
        raise write_error(here, error) from error


def _finish_replacing(library: Library) -> None:
    """Put the folder of shards that was built in the place of the one that was moved aside, where there is none.

    One folder cannot be renamed onto another: a process that is killed in between leaves this to whoever comes next.
    """
    new, here, aside = _file(library, SHARDS, True), _file(library, SHARDS, False), _aside(library)
    if not here.exists():
        with suppress(FileNotFoundError):  # another was faster
            (new if new.exists() else aside).rename(here)
    try:
        sync_folder(library.folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _logs(path: Path) -> list[Path]:
    """What SQLite may have laid beside its file."""
    return [path.with_name(f"{path.name}-{ending}") for ending in ("wal", "shm", "journal")]


def _aside(library: Library) -> Path:
    return library.folder / f".{SHARDS}.old"


def fonds_of(library: Library, pages: Iterable[str]) -> Mapping[str, str]:
    """Return the fonds of each page: the first part of its unit."""
    return {page: unit.partition("/")[0] for page, unit in library.units_of(pages).items()}


def _file(library: Library, name: str, beside: bool) -> Path:
    return library.folder / (f".{name}.new" if beside else name)
