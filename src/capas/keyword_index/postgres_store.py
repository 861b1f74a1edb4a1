"""Spots in PostgreSQL, for several users or machines at once; the same tables and results as in SQLite."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from capas.core.errors import CapasError
from capas.keyword_index.query_limit import current_limit, query_too_slow
from capas.keyword_index.sql_store import (
    BYTES,
    COMPACT,
    COUNTS,
    DELETE_PAGE,
    INCOMING,
    INSERT_INCOMING,
    SqlStore,
    Value,
    incoming_rows,
    meta_rows,
)
from capas.keyword_index.store import IndexOrigin, Spot

# COLLATE "C": words in the order of their code points, as SQLite has them, so that a prefix is a range.
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    'CREATE TABLE words (id SERIAL PRIMARY KEY, word TEXT COLLATE "C" NOT NULL UNIQUE,'
    ' folded TEXT COLLATE "C" NOT NULL)',
    "CREATE INDEX words_folded ON words (folded)",
    "CREATE TABLE pages (id SERIAL PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE spots (word INTEGER, probability SMALLINT, page INTEGER, line INTEGER, start INTEGER, width INTEGER)",
    # With the width, so that what is asked stands in the index and the table behind it is not read.
    "CREATE UNIQUE INDEX spots_key ON spots (word, probability DESC, page, line, start) INCLUDE (width)",
    *COUNTS,
)
_WANT = (
    "INSERT INTO wanted SELECT p.id, w.line, p.name FROM unnest(%s::text[], %s::integer[]) w (name, line)"
    " JOIN pages p ON p.name = w.name"
)
CONNECT_S = 10
QUERY_CANCELED = "57014"
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOCK = 0x63617073  # any number, the same for all who write


class PostgresSpots(SqlStore):
    """The tables in a ``schema`` of the database at ``address`` (``postgresql://user@host/name``).

    With an ``origin`` they are created where there are none.

    Raises:
        CapasError: ``extra_missing``, ``spots_server``, ``spots_missing`` or ``spots_differ``.
    """

    def __init__(self, address: str, origin: IndexOrigin | None = None, *, schema: str = "public") -> None:
        try:
            import psycopg
        except ImportError as error:
            raise CapasError("extra_missing", received="psycopg", extra="archive") from error
        self._failure = psycopg.Error
        with self._errors():
            self._connection = psycopg.connect(address, autocommit=True, connect_timeout=CONNECT_S)
            # A statement is planned once for all words: planning takes longer than answering.
            self._connection.prepare_threshold = 0
            self.address = f"{self._connection.info.host}/{self._connection.info.dbname}/{schema}"
            try:
                if (limit := current_limit()) is not None:
                    self._run(f"SET statement_timeout = {max(1, math.ceil(1000 * limit.remaining_s))}")
                self._prepare(origin, schema)
                super().__init__(origin, self.address)
            except BaseException:
                self._connection.close()
                raise

    def add(self, pages: Sequence[str], spots: Iterable[Spot]) -> None:
        """Store the spots of whole pages, all of them or none; existing pages are replaced."""
        with self._errors(), self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            for statement in DELETE_PAGE:
                cursor.executemany(statement.replace("?", "%s"), [(page,) for page in pages])
            cursor.executemany("INSERT INTO pages (name) VALUES (%s)", [(page,) for page in pages])
            cursor.execute(INCOMING)
            with cursor.copy("COPY incoming FROM STDIN") as copy:
                for row in incoming_rows(pages, spots):
                    copy.write_row(row)
            for statement in INSERT_INCOMING:
                cursor.execute(statement)

    def compact(self) -> None:
        """Free the space of replaced pages, and count the spots of frequent words for ``histogram``."""
        with self._writing():
            self._run(*COMPACT)
        self._run("VACUUM ANALYZE spots", "ANALYZE words", "ANALYZE pages")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def take_place(self, schema: str) -> None:
        """Replace ``schema`` by this one, in one transaction."""
        with self._writing():
            self._run(
                f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', f'ALTER SCHEMA "{self._schema}" RENAME TO "{schema}"'
            )

    def drop(self) -> None:
        """Delete the schema and everything in it."""
        self._run(f'DROP SCHEMA "{self._schema}" CASCADE')

    def _prepare(self, origin: IndexOrigin | None, schema: str) -> None:
        if not NAME.fullmatch(schema):
            raise ValueError(f"schema {schema!r}; expected small letters, digits and _")
        self._schema = schema
        with self._writing():
            self._run(f'SET search_path TO "{schema}"')
            if self._connection.execute("SELECT to_regclass('spots_key')").fetchone() == (None,):
                if origin is None:
                    raise CapasError("spots_missing", where=self.address)
                self._run(f'CREATE SCHEMA IF NOT EXISTS "{schema}"', *_TABLES)
                self._many("INSERT INTO meta VALUES (?, ?)", meta_rows(origin))
        self._run(*BYTES, "ANALYZE bytes")

    def _rows(self, statement: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        with self._errors():
            cursor = self._connection.execute(statement.replace("?", "%s"), values)
            yield from cursor if cursor.description else ()

    def _many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._errors():
            self._connection.cursor().executemany(statement.replace("?", "%s"), rows)

    def _want(self, places: Sequence[tuple[str, int]]) -> None:
        with self._errors():
            self._connection.execute("TRUNCATE wanted")
            self._connection.execute(_WANT, ([page for page, _ in places], [line for _, line in places]))
            self._connection.execute("ANALYZE wanted")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._errors(), self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            if error.sqlstate == QUERY_CANCELED:
                raise query_too_slow() from error
            raise CapasError("spots_server", received=str(error).strip()) from error
