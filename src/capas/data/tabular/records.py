"""Tables of JSON's and Parquet's values, read block by block: numbers where all values of a column are, else texts."""

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capas.core.errors import CapasError
from capas.core.parsing import parse_json
from capas.data.problems import Problem, problems_from
from capas.data.tabular.columns import BLOCK_ROWS, MAX_WHOLE, NumberColumn, Table, TableColumn, TextColumnBuilder


def read_jsonl(path: Path, encoding: str) -> Table:
    """Read JSON lines. Raises CapasError ``table_broken`` where most lines are no JSON objects."""
    builder = _TableBuilder()
    broken: list[str] = []
    block: list[dict[str, object]] = []
    # Lines end with "\n" alone: JSON may hold U+2028, and "\r" is white space.
    with path.open(encoding=encoding, newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                record = parse_json(line)
            except ValueError:
                record = None
            if not isinstance(record, dict):
                broken.append(f"{path.name}:{number}")
                continue
            block.append(record)
            if len(block) == BLOCK_ROWS:
                builder.add_records(block)
                block.clear()
    builder.add_records(block)
    if len(broken) > builder.rows:
        raise CapasError("table_broken", where=broken[0], received=f"{len(broken)} / {len(broken) + builder.rows}")
    return builder.table(path, problems_from("ragged_rows", broken))


def read_parquet(path: Path) -> Table:
    """Read a Parquet file. Raises CapasError ``extra_missing`` without pyarrow, ``table_broken`` where it refuses."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CapasError("extra_missing", where=path, received="pyarrow", extra="tables") from error
    try:
        held = parquet.read_table(path)
        builder = _TableBuilder(held.column_names)
        for batch in held.to_batches(max_chunksize=BLOCK_ROWS):
            columns = dict(zip(held.column_names, batch.columns, strict=True))
            builder.add_columns({name: column.to_pylist() for name, column in columns.items()}, batch.num_rows)
    except pyarrow.ArrowException as error:
        raise CapasError("table_broken", where=path, received=str(error)[:200]) from error
    return builder.table(path, ())


class _TableBuilder:
    """The columns of a table while its values come in, and the number of its rows so far."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.rows = 0
        self._columns = {name: _ObjectColumnBuilder() for name in names}

    def add_records(self, records: Sequence[Mapping[str, object]]) -> None:
        """Add rows; a column that a row lacks is missing there."""
        for name in dict.fromkeys(name for record in records for name in record):
            if name not in self._columns:
                self._columns[name] = _ObjectColumnBuilder()
                for start in range(0, self.rows, BLOCK_ROWS):
                    self._columns[name].add([None] * min(BLOCK_ROWS, self.rows - start))
        columns: dict[str, list[object]] = {name: [None] * len(records) for name in self._columns}
        for row, record in enumerate(records):  # what is there, not every name of every row: rows may share none
            for name, value in record.items():
                columns[name][row] = value
        self.add_columns(columns, len(records))

    def add_columns(self, columns: Mapping[str, Sequence[object]], rows: int) -> None:
        """Add rows that stand in columns."""
        for name, values in columns.items():
            self._columns[name].add(values)
        self.rows += rows

    def table(self, path: Path, problems: tuple[Problem, ...]) -> Table:
        """Return the table; a column that holds lists, objects or bytes is left out and named."""
        left_out = [name for name, column in self._columns.items() if column.left_out]
        return Table(
            path=path,
            columns={name: column.column() for name, column in self._columns.items() if not column.left_out},
            rows=self.rows,
            problems=(*problems, *problems_from("column_left_out", left_out, severity="note")),
        )


class _ObjectColumnBuilder:
    """Makes a column of values: of numbers while all of them are, then of texts.

    Attributes:
        left_out: Whether a value is a list, an object or bytes, which no column can hold.
    """

    def __init__(self) -> None:
        self.left_out = False
        self._numbers: list[_NumberBlock] | None = []
        self._texts = TextColumnBuilder()

    def add(self, values: Sequence[object]) -> None:
        """Add the values of further rows."""
        kinds = set(map(type, values))
        self.left_out = self.left_out or any(issubclass(kind, list | dict | bytes) for kind in kinds)
        if self.left_out:
            return
        numbers = None if self._numbers is None else _NumberBlock.parse(values, kinds)
        if self._numbers is not None and numbers is not None:
            self._numbers.append(numbers)
            return
        for block in self._numbers or ():
            self._texts.add(list(map(_as_text, block.values())))
        self._numbers = None
        self._texts.add(list(map(_as_text, values)))

    def column(self) -> TableColumn:
        """Return the column; texts are as they are, only "" is missing."""
        if self._numbers is None:
            return self._texts.column()
        return NumberColumn(values=np.concatenate([np.empty(0), *(block.floats for block in self._numbers)]))


class _NumberBlock:
    """Numbers of a column, which can be had back as they were.

    Args:
        floats: The numbers, NaN where one is missing.
        whole: Which of them were integers, or None.
    """

    def __init__(self, floats: NDArray[np.float64], whole: NDArray[np.bool_]) -> None:
        self.floats = floats
        self._whole = whole

    @staticmethod
    def parse(values: Sequence[object], kinds: Set[type]) -> "_NumberBlock | None":
        """Return the block; None where a value is no number, infinite, or an integer that float64 may not hold.

        ``kinds`` are the types of the values.
        """
        if kinds == {type(None)}:
            return _NumberBlock(np.full(len(values), np.nan), np.ones(len(values), dtype=np.bool_))
        if not kinds <= {int, float, type(None)}:
            return None
        try:
            floats = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        except OverflowError:
            return None
        if (np.abs(floats) >= MAX_WHOLE).any():
            return None
        return _NumberBlock(floats, np.array([not isinstance(value, float) for value in values], dtype=np.bool_))

    def values(self) -> Iterator[object]:
        """Yield the numbers as they were: integers, floats and None."""
        for value, whole in zip(self.floats.tolist(), self._whole.tolist(), strict=True):
            yield value if not whole else None if value != value else int(value)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
