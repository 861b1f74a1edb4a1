"""How an index grows: build time, size, memory and latency of queries for more and more pages, with spots like the
real ones.

A page has 34 lines and 1,120 spots, as many as a held-out page of vaticane-reg-lat-1616 with ε = 0.01
(``make bench manuscript-search``); of the largest index it has the 348 best of them, those of ε = 0.1, so that the run
stays within minutes. Their probabilities are drawn from the quantiles that were measured there; words are
200,000 made-up ones in Zipf's proportions, so that frequent words grow with the archive. They are kept in shards of
10,000 pages (``search.shards``), filled 2,500 pages at a time and compacted. Queries, each asked once after the index
was filled, through ``search.hits.search``, the first page of 20 lines with a probability of at least 0.1 and how many
there are, without folds: the most frequent words (ranks 1 to 20), frequent ones (21 to 40), rare ones (from rank 1,000
on), wildcards (three letters and *), phrases of two frequent words and of a frequent and a rare one; frequent words
in one shard of ten, and the frequent words with how many hits each page has, for which all spots are looked at.

One process on one core, SQLite; the processor's time, for others were at work on the machine. Seconds to build: those
of ``add``, and of ``compact``, without drawing the spots. Memory is the most that the process ever held (RSS): until
the index stood, and that of another process that asked.
"""

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.record import RESULTS, conditions, keep, table
from benchmarks.spots import ORIGIN, vocabulary
from capas.keyword_index.hits import Hits, search_spots
from capas.keyword_index.query import parse_query
from capas.keyword_index.sharded_store import ShardedSpots
from capas.keyword_index.store import Spot

SIZES = ((1000, 1120), (10_000, 1120), (100_000, 348))  # pages, spots on each
SPOTS, LINES, BATCH, SHARD = 1120, 34, 2500, 10_000
ASKED, LEAST, SHOWN = 20, 0.1, 20
KINDS = ("most frequent word", "frequent word", "rare word", "wildcard", "phrase, both frequent", "phrase, one rare",
         "frequent word in one shard", "frequent word by page")  # fmt: skip


def drawn_like() -> list[float]:
    """Quantiles of the probabilities of real spots."""
    found = json.loads((RESULTS / "manuscript-search.json").read_text(encoding="utf-8"))["measured"]
    bins = found["vaticane-reg-lat-1616"]["calibration"]["bins"]
    return [bins[0]["low"], *(one["high"] for one in bins)]


def spots_on(
    pages: list[str], names: list[str], quantiles: list[float], seed: int, each: int = SPOTS
) -> Iterator[Spot]:
    """The spots of some pages: the best ``each`` of a page."""
    chance = np.random.default_rng(seed)
    count = each * len(pages)
    share = np.cumsum(1 / np.arange(1, len(names) + 1))
    which = np.searchsorted(share, chance.random(count) * share[-1]).tolist()
    likely = np.interp(1 - chance.random(count) * each / SPOTS, np.linspace(0, 1, len(quantiles)), quantiles).tolist()
    lines, starts = chance.integers(0, LINES, count).tolist(), chance.integers(0, 300, count).tolist()
    for at, (word, p, line, start) in enumerate(zip(which, likely, lines, starts, strict=True)):
        name = names[word]
        yield Spot(word=name, probability=p, page=pages[at // each], line=line, start=start, end=start + 4 * len(name))


def shards_of(pages: Iterable[str]) -> Mapping[str, str]:
    """Ten thousand pages to a shard."""
    return {page: f"fonds-{int(page) // SHARD}" for page in pages}


def built(folder: Path, size: int, each: int) -> dict[str, float]:
    """Fill an index; seconds of the processor, bytes a spot, and the most memory that the process held."""
    names, quantiles, seconds = vocabulary(), drawn_like(), 0.0
    with ShardedSpots(folder, shards_of, ORIGIN) as store:
        for start in range(0, size, BATCH):
            pages = [str(number) for number in range(start, min(start + BATCH, size))]
            spots = list(spots_on(pages, names, quantiles, start, each))
            started = time.process_time()
            store.add(pages, spots)
            seconds += time.process_time() - started
        started = time.process_time()
        store.compact()
        counting = time.process_time() - started
    kept = sum(path.stat().st_size for path in folder.iterdir())
    return {"pages": size, "spots": size * each, "seconds": seconds, "seconds_to_count": counting,
            "bytes_per_spot": kept / (size * each), "megabytes": peak()}  # fmt: skip


def queries(names: list[str]) -> dict[str, list[str]]:
    """What is asked, by kind."""
    chance = np.random.default_rng(5)
    most, frequent = names[:ASKED], names[ASKED : 2 * ASKED]
    rare = [names[at] for at in chance.integers(1000, len(names), ASKED)]
    wild = [f"{name[:3]}*" for name in names if len(name) > 4][20 : 20 + ASKED]
    pairs = [[f'"{a} {b}"' for a, b in zip(frequent, some, strict=True)] for some in (frequent[::-1], rare)]
    return dict(zip(KINDS, (most, frequent, rare, wild, *pairs, frequent, frequent), strict=True))


def asked(folder: Path, size: int) -> dict[str, object]:
    """Milliseconds (median, 95 %), the median number of hits and how they were counted; and the memory."""
    names, found = vocabulary(), dict[str, object]()
    one = frozenset(str(number) for number in range(min(size, SHARD)))
    with ShardedSpots(folder, shards_of) as store:
        for kind, texts in queries(names).items():
            pages = one if kind == KINDS[6] else None
            found[kind] = timed([lambda q=text, p=pages, by=kind == KINDS[7]: search_spots(  # type: ignore[misc]
                store, parse_query(q), folds=False, min_probability=LEAST, limit=SHOWN, pages=p, by_page=by)
                for text in texts])  # fmt: skip
    return {"queries": found, "megabytes_to_ask": peak()}


def timed(calls: list[Callable[[], Hits]]) -> dict[str, object]:
    """What the calls took and found."""
    taken, hits = [], list[Hits]()
    for call in calls:
        started = time.process_time()
        hits.append(call())
        taken.append(1000 * (time.process_time() - started))
    p50, p95 = (float(np.quantile(taken, at)) for at in (0.5, 0.95))
    return {"p50": p50, "p95": p95, "hits": float(np.median([one.count for one in hits])),
            "counted": sorted({one.counted for one in hits})}  # fmt: skip


def peak() -> float:
    """The most memory that this process ever held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown() -> list[dict[str, object]]:
    """An index of each size, built in one process and asked in another."""
    rows = list[dict[str, object]]()
    context = multiprocessing.get_context("spawn")
    for size, each in SIZES:
        with tempfile.TemporaryDirectory() as folder, context.Pool(1, maxtasksperchild=1) as pool:
            row = dict(pool.apply(built, (Path(folder), size, each)))
            rows.append({**row, **pool.apply(asked, (Path(folder), size))})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Build and ask."""
    facts = conditions("archive-scale")
    rows = grown()
    first: list[list[object]] = []
    second: list[list[object]] = []
    for row in rows:
        size, spots = row["pages"], row["spots"]
        assert isinstance(size, int) and isinstance(spots, int)
        queries_of = row["queries"]
        assert isinstance(queries_of, dict)
        first.append([f"{size:,}", f"{spots / 1e6:.1f} M", f"{row['seconds']:.0f}", f"{row['seconds_to_count']:.1f}",
                      f"{row['bytes_per_spot']:.1f}", f"{row['megabytes']:.0f}",
                      f"{row['megabytes_to_ask']:.0f}"])  # fmt: skip
        second += [[f"{size:,}", kind, f"{one['p50']:.1f}", f"{one['p95']:.1f}", f"{one['hits']:,.0f}",
                    ", ".join(one["counted"])] for kind, one in queries_of.items()]  # fmt: skip
    heads = ["pages", "spots", "s to build", "s to count", "bytes a spot", "MB while building", "MB while asking"]
    kinds = ["pages", "query", "ms, median", "ms, 95 %", "hits, median", "counted"]
    text = f"{__doc__ or ''}\n{table(heads, first)}\n\n{table(kinds, second)}"
    keep("archive-scale", "An index that grows", text, facts, {"sizes": rows})


if __name__ == "__main__":
    main()
