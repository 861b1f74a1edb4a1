"""What reading a table costs: a million rows of CSV by our former and present reader, by pyarrow and by polars.

The 10 columns: the number of the row, whole numbers, numbers with six decimals, prices of which one in ten is missing
(some as "NA"), dates, 8 categories, 50,000 categories, short free texts (all different), booleans, small whole numbers.

Each reader runs in a process of its own, one after another and all of them three times over (A B C A B C), so that what
else the machine does hits all alike. Seconds and processor seconds begin when the modules are imported; the peak is the
largest resident memory of the process, without what Python and the imports took before.

- ``before``: all rows as lists of the csv module, then each column as a tuple of str, float and None.
- ``after``: ``capas.data.tabular.io.read_table``, the csv module by blocks, each column an array.
- ``pyarrow, our types``, ``polars, our types``: all cells read as text, then our rules, without comma decimals and
  units, in the library's own expressions.
- ``pyarrow, its types``, ``polars, its types``: what the library makes of the file by itself.
"""

import csv
import importlib.util
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import distributions
from pathlib import Path

NAME = "table-reading"
ROWS = 1_000_000
ROUNDS = 3
# Cells about which readers disagree.
CELLS = ("007", "1e5", "NA", "1,5", "1.234,5", "  3", "", "1_000", "true", "2024-05-31", "inf", "nan", "0x1f", "+1",
         "-0", "9007199254740993", "12 kg", "٣", "$7")  # fmt: skip
PACKAGES = ("polars", "polars-runtime-32", "pyarrow", "numpy")
# Each imports first and returns what then reads.
Reader = Callable[[], Callable[[Path], object]]


def write_table(path: Path, rows: int) -> None:
    """Write the table."""
    import numpy as np

    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghilmnoprstuv"), rng.integers(2, 9))) for _ in range(3000)]
    colours = ["red", "green", "blue", "yellow", "black", "white", "grey", "brown"]
    days = [str(np.datetime64("2000-01-01") + day) for day in range(9000)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row", "count", "measure", "price", "bought", "colour", "town", "note", "member", "score"])
        for start in range(0, rows, 50_000):
            n = min(50_000, rows - start)
            gaps, prices = rng.random(n).tolist(), rng.gamma(2, 40, n).tolist()
            columns = [
                range(start + 1, start + n + 1),
                rng.integers(0, 100_000, n).tolist(),
                [f"{x:.6f}" for x in rng.normal(0, 10, n)],
                ["NA" if g < 0.02 else "" if g < 0.1 else f"{x:.2f}" for g, x in zip(gaps, prices, strict=True)],
                [days[i] for i in rng.integers(0, len(days), n)],
                [colours[i] for i in rng.integers(0, 8, n)],
                [f"town {i}" for i in rng.integers(0, 50_000, n)],
                [" ".join(words[i] for i in row) for row in rng.integers(0, len(words), (n, 6)).tolist()],
                ["true" if x else "false" for x in rng.integers(0, 2, n)],
                rng.integers(0, 11, n).tolist(),
            ]
            writer.writerows(zip(*columns, strict=True))


_MISSING = ("", "na", "n/a", "nan", "null", "none")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MEASURE = re.compile(r"([€$£]?)\s*([+-]?\d+(?:[.,]\d+)?)\s*([^\W\d_]{1,8}[²³]?|[%‰°€$£]|°[CFK]|[^\W\d_]+/[^\W\d_]+)?")
_LEADING_ZERO = r"^[+-]?0[0-9]"


def before() -> Callable[[Path], object]:
    """The former reader, without its refusals."""
    from capas.data.tabular.io import decode_text, detect_delimiter

    number, comma = re.compile(_NUMBER, re.ASCII), re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
    grouped, code = re.compile(r"[+-]?\d{1,3}(,\d{3})+", re.ASCII), re.compile(r"[+-]?0\d", re.ASCII)

    def column(texts: list[str]) -> tuple[str | float | None, ...]:
        cells = [text.strip() for text in texts]
        present = [cell for cell in cells if cell.casefold() not in _MISSING]
        plain = all(number.fullmatch(c) and not code.match(c) and abs(float(c)) < 2**53 for c in present)
        if present and (plain or (
            all(comma.fullmatch(c) and not code.match(c) for c in present)
            and not all(grouped.fullmatch(c) for c in present if "," in c)
        )):  # fmt: skip
            return tuple(None if c.casefold() in _MISSING else float(c.replace(",", ".")) for c in cells)
        # What every cell is looked at for, whether or not the first one has a unit.
        measures = [_MEASURE.fullmatch(cell) if cell else None for cell in cells]
        units = {(m[1] or m[3] or "") if m else "" for m, cell in zip(measures, cells, strict=True) if cell}
        if len(units) != 1 or "" in units:
            return tuple(cell or None for cell in cells)
        return tuple(float(m[2].replace(",", ".")) if m else None for m in measures)

    def read(path: Path) -> object:
        text = decode_text(path, path.read_bytes())
        rows: list[tuple[int, list[str]]] = []
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=detect_delimiter(text))
        rows.extend((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
        header = rows[0][1]
        whole = [row for _, row in rows[1:] if len(row) == len(header)]
        return {name: column([row[i] for row in whole]) for i, name in enumerate(header)}

    return read


def after() -> Callable[[Path], object]:
    from capas.data.tabular.io import read_table

    return lambda path: read_table(path).columns


def pyarrow_our_types() -> Callable[[Path], object]:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as pacsv

    def typed(column: pa.ChunkedArray) -> object:
        trimmed = pc.utf8_trim_whitespace(column)
        gone = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(_MISSING))
        present = pc.filter(trimmed, pc.invert(gone))
        regular = pc.all(pc.match_substring_regex(present, _NUMBER)).as_py()
        if len(present) and regular and not pc.any(pc.match_substring_regex(present, _LEADING_ZERO)).as_py():
            bare = pc.replace_substring_regex(trimmed, pattern=r"^\+", replacement="")
            numbers = pc.cast(pc.if_else(gone, pa.scalar(None, pa.string()), bare), pa.float64())
            if pc.less(pc.max(pc.abs(numbers)), 2.0**53).as_py():
                return numbers
        return pc.dictionary_encode(pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed))

    def read(path: Path) -> object:
        with path.open(encoding="utf-8") as stream:
            names = next(csv.reader(stream))
        table = pacsv.open_csv(
            path,
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda row: "skip"),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        ).read_all()
        made = {}
        for name in names:  # one at a time: the texts of each are freed
            made[name] = typed(table.column(name))
            table = table.drop_columns([name])
        return made

    return read


def pyarrow_its_types() -> Callable[[Path], object]:
    from pyarrow import csv as pacsv

    return pacsv.read_csv


def polars_our_types() -> Callable[[Path], object]:
    import polars as pl

    def typed(column: pl.Series) -> pl.Series:
        trimmed = column.str.strip_chars()
        gone = trimmed.str.to_lowercase().is_in(list(_MISSING))
        present = trimmed.filter(~gone)
        if len(present) and present.str.contains(_NUMBER).all() and not present.str.contains(_LEADING_ZERO).any():
            numbers = trimmed.set(gone, None).cast(pl.Float64)
            if numbers.abs().max() < 2.0**53:  # type: ignore[operator]
                return numbers
        return trimmed.set(trimmed == "", None).cast(pl.Categorical)

    def read(path: Path) -> object:
        frame = pl.read_csv(path, infer_schema=False, empty_string_is_null=False)
        return {name: typed(frame.drop_in_place(name)) for name in frame.columns}

    return read


def polars_its_types() -> Callable[[Path], object]:
    import polars as pl

    return lambda path: pl.read_csv(path, infer_schema_length=None)


READERS: Mapping[str, Reader] = {
    "before": before,
    "after": after,
    "pyarrow, our types": pyarrow_our_types,
    "pyarrow, its types": pyarrow_its_types,
    "polars, our types": polars_our_types,
    "polars, its types": polars_its_types,
}


def resident_mb() -> float:
    """Return what this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def measure(reader: str, path: Path) -> dict[str, float]:
    """Read once, in this process."""
    import numpy as np

    read = READERS[reader]()
    np.zeros(1)
    held_before, used = resident_mb(), resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    table = read(path)
    wall_s, held = time.perf_counter() - started, resident_mb()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    assert table is not None
    return {
        "wall_s": wall_s,
        "cpu_s": spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime,
        # Linux hands a process the peak of the one that started it: ``main`` stays smaller than any of these.
        "peak_mb": spent.ru_maxrss * 1024 / 1e6 - held_before,
        "held_mb": held - held_before,
        "imports_mb": held_before,
    }


def in_a_process(*words: str) -> str:
    """Run a part of this file in a process of its own and return what it prints."""
    command = [sys.executable, "-m", "benchmarks.table_reading", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def disagreements(readers: Mapping[str, Reader]) -> list[list[str]]:
    """Return what each cell becomes, alone in its column and beside a "1", wherever that is not the same for all."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        for cell in CELLS:
            for beside in ("", ' beside "1"'):
                with path.open("w", encoding="utf-8", newline="") as stream:
                    lines = [["x", "y"], [cell, "a"], ["1" if beside else cell, "b"], [cell, "c"]]
                    csv.writer(stream).writerows(lines)
                became = [first_cell(reader, path) for reader in readers.values()]
                if len(set(became)) > 1:
                    rows.append([f"`{cell}`{beside}" if cell else f"(empty){beside}", *became])
    return rows


def first_cell(reader: Reader, path: Path) -> str:
    """Return the first cell of column x, as Python shows it, or the error."""
    try:
        table = reader()(path)
        cell = table["x"][0]  # type: ignore[index]
        return f"`{cell.as_py() if hasattr(cell, 'as_py') else cell!r}`"
    except Exception as error:  # whatever a library says is its answer
        return type(error).__name__


def disk_mb() -> dict[str, float]:
    """Return the size of the packages that are installed."""
    sizes = {}
    for package in distributions():
        if package.name in PACKAGES:
            files = [Path(str(file.locate())) for file in package.files or ()]
            sizes[package.name] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return sizes


def main() -> None:
    """Measure all readers and keep the result."""
    load = round(os.getloadavg()[0], 2)
    absent = [name for name in ("polars", "pyarrow") if importlib.util.find_spec(name) is None]
    if absent:
        print(f"Not installed, so not measured: pip install {' '.join(absent)}", file=sys.stderr)
    readers = {name: reader for name, reader in READERS.items() if name.partition(",")[0] not in absent}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        in_a_process("write", str(path))
        size = path.stat().st_size
        for number in range(ROUNDS):
            for name in readers:
                with path.open("rb") as stream:  # into the system's cache, for all alike
                    while stream.read(1 << 20):
                        pass
                runs[name].append(json.loads(in_a_process(name, str(path))))
                print(number, name, {key: round(value, 2) for key, value in runs[name][-1].items()}, file=sys.stderr)

    from benchmarks.record import conditions, keep, spread, table  # they bring torch: only now, see ``measure``

    figures = {"wall_s": 2, "cpu_s": 2, "peak_mb": 0, "held_mb": 0, "imports_mb": 0}
    rows = [[name, *(spread([run[f] for run in own], digits) for f, digits in figures.items())]
            for name, own in runs.items()]  # fmt: skip
    sizes = disk_mb()
    text = "\n\n".join([
        (__doc__ or "").strip(),
        f"{ROWS:,} rows, {size / 1e6:.0f} MB; median and range of {ROUNDS} rounds.",
        table(["", "s", "CPU s", "peak MB more", "MB kept", "MB before"], rows),
        *([f"Not installed, so not measured: {', '.join(absent)}."] if absent else []),
        'What becomes of a cell that fills its column, and of one whose column also holds "1":',
        table(["cell", *readers], disagreements(readers)),
        "MB on disk: " + ", ".join(f"{name} {mb:.0f}" for name, mb in sizes.items()),
    ])  # fmt: skip
    facts = {**conditions(NAME), "load_at_start": load}
    keep(NAME, "Reading tables", text, facts, {"rows": ROWS, "bytes": size, "readers": runs, "disk_mb": sizes})


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_table(Path(sys.argv[2]), ROWS)
    else:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
