"""The index of spots: words of a line, keywords, bytes a spot, and the best hits among five million.

Synthetic posteriorgrams of 180 frames and 90 labels that read eight random words of two to eight letters. *Hard* ones
hesitate over every letter as a network does that was trained on another hand; *sure* ones are peaky, as a network is
on the hand that it learned. Then five million spots with 200,000 words in Zipf's proportions on 10,000 pages, in
SQLite, and in PostgreSQL where CAPAS_POSTGRES names an empty database (``postgresql://user@host/name``). One thread;
for lines and keywords the processor's time, for the stores the clock's.

Expected, from a first measurement by hand on hard lines: 2, 18 and 140 ms a line for words expected 0.1, 0.01 and 0.001
times; 15 µs a keyword; at most 24 bytes a spot; the best 50 of five million in 0.01 to 0.26 ms.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from benchmarks.record import conditions, keep, table
from capas.keyword_index import keyword_automaton as keywords
from capas.keyword_index import line_spots as line_spots_module
from capas.keyword_index.jit import jit_compiled
from capas.keyword_index.keyword_automaton import build_keyword_automaton, keyword_probability, normalise_posteriors
from capas.keyword_index.line_spots import line_spots
from capas.keyword_index.postgres_store import PostgresSpots
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.keyword_index.store import IndexOrigin, Spot, SpotStore

FRAMES, LABELS, LINES, EVERY = 180, 90, 12, 4
LEAST = (0.1, 0.01, 0.001)
SPOTS, BATCH, WORDS, PAGES = 5_000_000, 250_000, 200_000, 10_000
HARD, SURE = 6.0, 10.0
ANSWERS = ("frequent_p50", "frequent_p95", "rare_p50", "rare_p95")
ORIGIN = IndexOrigin(least=0.001, temperature=1.0, model="synthetic")
Line = NDArray[np.float64]


def line(seed: int, *, sure: float) -> tuple[Line, set[tuple[int, ...]]]:
    """A posteriorgram and the words that it reads; ``sure``: by how many standard deviations of the noise."""
    chance = np.random.default_rng(seed)
    words: list[tuple[int, ...]] = []
    while sum(len(word) + 1 for word in words) < FRAMES // EVERY - 8:
        words.append(tuple(chance.integers(2, LABELS, chance.integers(2, 9)).tolist()))
    text = [label for word in words for label in (*word, 1)]
    logits = chance.standard_normal((FRAMES, LABELS))
    logits[:, 0] += sure + 4
    written = 1 + EVERY * np.arange(len(text))
    logits[written, 0] -= sure + 4
    logits[written, text] += sure
    parts: Line = np.exp(logits)
    return parts / parts.sum(axis=1, keepdims=True), set(words)


def milliseconds(calls: list[Callable[[], object]], clock: Callable[[], float] = time.process_time) -> list[float]:
    """How long each call takes: of the processor, or by another clock."""
    taken = []
    for call in calls:
        started = clock()
        call()
        taken.append(1000 * (clock() - started))
    return taken


def indexing(sure: float) -> list[dict[str, float]]:
    """Words of lines at each threshold: milliseconds, spots per word, and which share of the true words is there."""
    lines, rows = [line(seed, sure=sure) for seed in range(LINES)], []
    line_spots(lines[0][0], delimiters={1}, min_expected_count=0.1)
    for least in LEAST:
        found = [line_spots(one, delimiters={1}, min_expected_count=least) for one, _ in lines]
        taken = milliseconds(
            [lambda p=one, e=least: line_spots(p, delimiters={1}, min_expected_count=e) for one, _ in lines]
        )  # type: ignore[misc]
        true = [
            word in {spot.labels for spot in some}
            for (_, words), some in zip(lines, found, strict=True)
            for word in words
        ]
        rows.append({
            "least": least, "ms": float(np.median(taken)), "spots_per_word": sum(map(len, found)) / len(true),
            "recall": float(np.mean(true)),
        })  # fmt: skip
    return rows


def asking(sure: float) -> float:
    """Microseconds for a keyword of six letters in a line."""
    chance = np.random.default_rng(0)
    words = [
        build_keyword_automaton([{label} for label in chance.integers(2, LABELS, 6).tolist()], {1}) for _ in range(100)
    ]
    one = normalise_posteriors(line(0, sure=sure)[0])
    keyword_probability(one, words[0])
    return 1000 * float(np.median(milliseconds([lambda w=word: keyword_probability(one, w) for word in words])))  # type: ignore[misc]


def vocabulary() -> list[str]:
    """Random words of two to nine letters, all different."""
    chance = np.random.default_rng(1)
    letters = np.array(list("aeiosrndlctumpbgvyqhfzjñçx"))
    words = dict.fromkeys("".join(letters[chance.integers(0, 26, chance.integers(2, 10))]) for _ in range(2 * WORDS))
    return list(words)[:WORDS]


def synthetic(names: list[str], batch: int) -> Iterator[Spot]:
    """The spots of some hundreds of pages."""
    chance = np.random.default_rng(batch)
    share = np.cumsum(1 / np.arange(1, WORDS + 1))
    which = np.searchsorted(share, chance.random(BATCH) * share[-1]).tolist()
    likely, lines = chance.beta(0.3, 1, BATCH).tolist(), chance.integers(0, 35, BATCH).tolist()
    pages, starts = chance.integers(0, len(pages_of(batch)), BATCH).tolist(), chance.integers(0, 2000, BATCH).tolist()
    named = pages_of(batch)
    for word, p, page, at, start in zip(which, likely, pages, lines, starts, strict=True):
        name = names[word]
        yield Spot(word=name, probability=p, page=named[page], line=at, start=start, end=start + 20 * len(name))


def pages_of(batch: int) -> list[str]:
    """The names of a batch's pages."""
    count = PAGES * BATCH // SPOTS
    return [f"legajo-{page // 500:04d}/folio-{page % 500:03d}" for page in range(batch * count, (batch + 1) * count)]


def filled(store: SpotStore, names: list[str]) -> float:
    """Add everything; the seconds that it took."""
    started = time.perf_counter()
    for batch in range(SPOTS // BATCH):
        store.add(pages_of(batch), synthetic(names, batch))
    store.compact()
    return time.perf_counter() - started


def best(store: SpotStore, names: list[str]) -> dict[str, float]:
    """Milliseconds for the best 50 spots of one word: of frequent and of rare ones."""
    chance = np.random.default_rng(2)
    asked = [*names[:50], *(names[at] for at in chance.integers(50, WORDS, 450))]
    taken = milliseconds([lambda w=word: list(store.spots([w], limit=50)) for word in asked], time.perf_counter)  # type: ignore[misc]
    frequent, rare = taken[:50], taken[50:]
    values = [float(np.quantile(some, at)) for some in (frequent, rare) for at in (0.5, 0.95)]
    return dict(zip(ANSWERS, values, strict=True))


def storing() -> list[dict[str, object]]:
    """Both stores, as far as they are here."""
    names, rows = vocabulary(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spots.sqlite"
        with SqliteSpots(path, ORIGIN) as store:
            seconds, answers = filled(store, names), best(store, names)
        rows.append({"store": "SQLite", "seconds": seconds, "bytes": path.stat().st_size / SPOTS, **answers})
    if address := os.environ.get("CAPAS_POSTGRES"):
        with PostgresSpots(address, ORIGIN) as store:
            seconds, answers = filled(store, names), best(store, names)
        with psycopg.connect(address) as connection:
            size = int(connection.execute("SELECT pg_total_relation_size('spots')").fetchall()[0][0])
        rows.append({"store": "PostgreSQL", "seconds": seconds, "bytes": size / SPOTS, **answers})
    return rows


def main() -> None:
    """Lines, keywords, stores."""
    facts = conditions("spots")
    stores = storing()
    measured: dict[str, object] = {"stores": stores}
    rows: list[list[object]] = []
    for name, sure in (("hard", HARD), ("sure", SURE)):
        for way in ("numba", "numpy"):
            keywords.jit_compiled = line_spots_module.jit_compiled = (
                jit_compiled if way == "numba" else (lambda loop: None)
            )
            found, microseconds = indexing(sure), asking(sure)
            measured[f"{name} {way}"] = {"index": found, "keyword_us": microseconds}
            rows += [[name, way, one["least"], f"{one['ms']:.1f}", f"{one['spots_per_word']:.1f}",
                      f"{one['recall']:.2f}", f"{microseconds:.0f}"] for one in found]  # fmt: skip
    heads = ["lines", "with", "least", "ms a line", "spots per word", "true words found", "µs a keyword and line"]
    kept = [[one["store"], f"{one['bytes']:.1f}", f"{one['seconds']:.0f}", *(f"{one[key]:.2f}" for key in ANSWERS)]
            for one in stores]  # fmt: skip
    asked = ["store", "bytes a spot", "s to fill", *(f"ms, {key.replace('_', ' words, ')}" for key in ANSWERS)]
    text = (__doc__ or "") + "\n" + table(heads, rows) + "\n\n" + table(asked, kept)
    keep("spots", "Spots", text, facts, measured)


if __name__ == "__main__":
    main()
