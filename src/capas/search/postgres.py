"""Spots in PostgreSQL: for several users or machines at once; the same tables, the same answers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from capas.core.errors import CapasError
from capas.search.sql import CLEAR, INCOMING, TAKE_IN, SqlStore, Value, incoming, meta
from capas.search.store import Origin, Spot

# COLLATE "C": words in the order of their code points, as SQLite has them, so that a prefix is a range.
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    'CREATE TABLE words (id SERIAL PRIMARY KEY, word TEXT COLLATE "C" NOT NULL UNIQUE,'
    ' folded TEXT COLLATE "C" NOT NULL)',
    "CREATE INDEX words_folded ON words (folded)",
    "CREATE TABLE pages (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE spots (word INTEGER, probability SMALLINT, page INTEGER, line INTEGER, start INTEGER, width INTEGER)",
    "CREATE UNIQUE INDEX spots_key ON spots (word, probability DESC, page, line, start)",
)
_LOCK = 0x63617073  # any number, the same for all who write


class PostgresSpots(SqlStore):
    """The tables in the database at ``address`` (``postgresql://user@host/name``); with an ``origin`` they are made
    where there are none. Raises CapasError ``extra_missing``, ``spots_server``, ``spots_missing`` or
    ``spots_differ``."""

    def __init__(self, address: str, origin: Origin | None = None) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise CapasError("extra_missing", received="psycopg", extra="archive") from error
        self._failure = psycopg.Error
        with self._errors():
            self._connection = psycopg.connect(address, autocommit=True)
            self.address = f"{self._connection.info.host}/{self._connection.info.dbname}"
            try:
                self._prepare(origin)
                super().__init__(origin, self.address)
            except BaseException:
                self._connection.close()
                raise

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Keep the spots of whole pages, all of them or none; pages that were there already are replaced."""
        with self._errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            cursor.executemany("DELETE FROM pages WHERE name = %s", [(page,) for page in pages])
            cursor.executemany("INSERT INTO pages (name) VALUES (%s)", [(page,) for page in pages])
            cursor.execute(INCOMING)
            with cursor.copy("COPY incoming FROM STDIN") as copy:
                for row in incoming(pages, spots):
                    copy.write_row(row)
            for statement in TAKE_IN:
                cursor.execute(statement)

    def compact(self) -> None:
        """Give back the room of replaced pages."""
        with self._errors():
            self._connection.execute(CLEAR)
            self._connection.execute("VACUUM ANALYZE spots")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _prepare(self, origin: Origin | None) -> None:
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            if self._connection.execute("SELECT to_regclass('spots_key')").fetchone() != (None,):
                return
            if origin is None:
                raise CapasError("spots_missing", where=self.address)
            for statement in _TABLES:
                self._connection.execute(statement)
            self._connection.cursor().executemany("INSERT INTO meta VALUES (%s, %s)", meta(origin))

    def _rows(self, statement: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        with self._errors():
            yield from self._connection.execute(statement.replace("?", "%s"), values)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            raise CapasError("spots_server", received=str(error).strip()) from error
