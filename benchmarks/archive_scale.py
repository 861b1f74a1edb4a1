"""How an index grows: build time, size and latency of queries for more and more pages, with spots like the real ones.

A page has 34 lines and 1,120 spots, as many as a held-out page of vaticane-reg-lat-1616 with ε = 0.01
(``make bench manuscript-search``). Their probabilities are drawn from the quantiles that were measured there; words are
200,000 made-up ones in Zipf's proportions, so that frequent words grow with the archive. Queries, each asked once after
the index was filled, through ``search.hits.search`` without folds and for lines with a probability of at least 0.1:
frequent words (ranks 20 to 40), rare ones (from rank 1,000 on), wildcards (three letters and *), and phrases of two
frequent words; beside them, the best 50 spots of a frequent word, straight from the store. SQLite, one process, the
processor's time, for others were at work on the machine; the largest size was reduced from 100,000 pages to fit into
minutes, so that what is said of more pages is extrapolated (docs/scale.md).
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, conditions, keep, table
from benchmarks.spots import ORIGIN, vocabulary
from capas.search.hits import search
from capas.search.query import parse
from capas.search.sqlite import SqliteSpots
from capas.search.store import Spot

SIZES = (250, 1000, 2500)
SPOTS, LINES, BATCH = 1120, 34, 250
ASKED, LEAST = 20, 0.1


def drawn_like() -> list[float]:
    """Quantiles of the probabilities of real spots."""
    found = json.loads((RESULTS / "manuscript-search.json").read_text(encoding="utf-8"))["measured"]
    bins = found["vaticane-reg-lat-1616"]["calibration"]["bins"]
    return [bins[0]["low"], *(one["high"] for one in bins)]


def spots_on(pages: list[str], names: list[str], quantiles: list[float], seed: int) -> Iterator[Spot]:
    """The spots of some pages."""
    chance = np.random.default_rng(seed)
    count = SPOTS * len(pages)
    share = np.cumsum(1 / np.arange(1, len(names) + 1))
    which = np.searchsorted(share, chance.random(count) * share[-1]).tolist()
    likely = np.interp(chance.random(count), np.linspace(0, 1, len(quantiles)), quantiles).tolist()
    lines, starts = chance.integers(0, LINES, count).tolist(), chance.integers(0, 300, count).tolist()
    for at, (word, p, line, start) in enumerate(zip(which, likely, lines, starts, strict=True)):
        name = names[word]
        yield Spot(word=name, probability=p, page=pages[at // SPOTS], line=line, start=start, end=start + 4 * len(name))


def queries(names: list[str]) -> dict[str, list[str]]:
    """What is asked."""
    chance = np.random.default_rng(5)
    frequent = names[20 : 20 + ASKED]
    rare = [names[at] for at in chance.integers(1000, len(names), ASKED)]
    return {
        "frequent word": frequent, "rare word": rare,
        "wildcard": [f"{name[:3]}*" for name in names if len(name) > 4][20 : 20 + ASKED],
        "phrase": [f'"{a} {b}"' for a, b in zip(frequent, reversed(frequent), strict=True)],
    }  # fmt: skip


def latencies(store: SqliteSpots, names: list[str]) -> dict[str, list[float]]:
    """Milliseconds, median and 95 %, and the median number of hits."""
    found = {}
    for kind, asked in queries(names).items():
        taken, hits = [], []
        for text in asked:
            started = time.process_time()
            hits.append(len(search(store, parse(text), folds=False, least=LEAST).probabilities))
            taken.append(1000 * (time.process_time() - started))
        found[kind] = _summed_up(taken, hits)
    taken, hits = [], []
    for word in queries(names)["frequent word"]:
        started = time.process_time()
        hits.append(len(list(store.spots([word], limit=50))))
        taken.append(1000 * (time.process_time() - started))
    return {**found, "best 50 spots": _summed_up(taken, hits)}


def _summed_up(taken: list[float], hits: list[int]) -> list[float]:
    return [float(np.quantile(taken, 0.5)), float(np.quantile(taken, 0.95)), float(np.median(hits))]


def grown() -> list[dict[str, object]]:
    """One index, measured at each size."""
    names, quantiles, rows = vocabulary(), drawn_like(), list[dict[str, object]]()
    seconds, done = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spots.sqlite"
        with SqliteSpots(path, ORIGIN) as store:
            for size in SIZES:
                while done < size:
                    pages = [str(number) for number in range(done, done + BATCH)]
                    spots = list(spots_on(pages, names, quantiles, done))
                    started = time.process_time()
                    store.add(pages, spots)
                    seconds, done = seconds + time.process_time() - started, done + BATCH
                answers = latencies(store, names)
                taken = path.stat().st_size / (size * SPOTS)
                rows.append({"pages": size, "seconds": seconds, "bytes_per_spot": taken, "queries": answers})
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Build and ask."""
    facts = conditions("archive-scale")
    rows = grown()
    cells: list[list[object]] = []
    for row in rows:
        asked, size = row["queries"], row["pages"]
        assert isinstance(asked, dict) and isinstance(size, int)
        cells.append([size, f"{size * SPOTS / 1e6:.2f} M", f"{row['seconds']:.0f}", f"{row['bytes_per_spot']:.1f}",
                      *(f"{p50:.2f} / {p95:.2f} ({hits:.0f})" for p50, p95, hits in asked.values())])  # fmt: skip
    kinds = [f"{kind}, ms p50 / p95 (hits)" for kind in (*queries(vocabulary()), "best 50 spots")]
    heads = ["pages", "spots", "s to build", "bytes a spot", *kinds]
    text = (__doc__ or "") + "\n" + table(heads, cells)
    keep("archive-scale", "An index that grows", text, facts, {"sizes": rows})


if __name__ == "__main__":
    main()
