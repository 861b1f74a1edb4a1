"""Similarity search in a million vectors: recall, queries per second, memory, and kills while vectors are added.

CAPAS_BENCH_VECTORS vectors (1,000,000) of CAPAS_BENCH_DIMENSIONS numbers (128), made up: 20 random numbers each go
through a random network of two layers, so that there are neither clusters nor equal directions. They are stored as
float16. 1,000 further vectors are the queries, asked one after the other, in five rounds in turn: with the index of
Capas (candidates from its cells, similarities from the stored rows), with an exact scan of it, and with faiss as it is
used without anything around it: an inverted file with as many cells and 8-bit numbers, of which as many cells are
looked into, and its exact scan (IndexFlatIP), both in memory. The truth is faiss's exact scan. Recall@10 is the share
of the 10 true nearest that are found, with a 95 % bootstrap interval over the queries.

Building and searching are processes of their own: seconds, and the largest resident memory (VmHWM). At last a process
adds vectors to another index, batch after batch, and writes down which batches were acknowledged; 50 times it is killed
(SIGKILL) at a random moment, and another goes on. Lost are acknowledged items that are not there afterwards.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import conditions, keep, spread, table
from capas.core.device import physical_cores
from capas.metrics.bootstrap import mean_with_interval
from capas.representation.index.cell_building import update_cells
from capas.representation.index.exact_search import exact_nearest
from capas.representation.index.manifest import IndexManifest
from capas.representation.index.search import EXACT_ROWS, SimilarityIndex, approximate_nearest
from capas.representation.index.snapshot import IndexSnapshot
from capas.representation.index.writer import IndexWriter, create_index
from capas.representation.vectors import VectorItem, unit_length

VECTORS = int(os.environ.get("CAPAS_BENCH_VECTORS", "1000000"))
DIMENSIONS = int(os.environ.get("CAPAS_BENCH_DIMENSIONS", "128"))
QUERIES, K, ROUNDS, KILLS = 1000, 10, 5, int(os.environ.get("CAPAS_BENCH_KILLS", "50"))
BLOCK = 50_000
HIDDEN = 20
Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def network() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((HIDDEN, 2 * DIMENSIONS)) / np.sqrt(HIDDEN)
    second = rng.standard_normal((2 * DIMENSIONS, DIMENSIONS)) / np.sqrt(2 * DIMENSIONS)
    return first.astype(np.float32), second.astype(np.float32)


def drawn(count: int, seed: int) -> NDArray[np.float32]:
    """Vectors of length one."""
    first, second = network()
    hidden = np.random.default_rng(seed).standard_normal((count, HIDDEN), dtype=np.float32)
    return unit_length(np.maximum(hidden @ first, 0) @ second)


def blocks() -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, VECTORS, BLOCK):
        yield start, drawn(min(BLOCK, VECTORS - start), 1 + start)


def items(start: int, count: int) -> list[VectorItem]:
    return [
        VectorItem(name=f"{row}.png", index=row, hash=f"{row:032x}", columns={"class": str(row % 10)})
        for row in range(start, start + count)
    ]


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def new_index(folder: Path) -> None:
    create_index(folder, IndexManifest(encoder="made up", fingerprint="f", medium="image", dimensions=DIMENSIONS,
                                       precision="float16"))  # fmt: skip


def build(folder: Path) -> dict[str, object]:
    """Fill an index and divide it into cells."""
    before = peak_mb()
    new_index(folder)
    adding = 0.0
    with IndexWriter(folder) as writer:
        for start, rows in blocks():
            some, begun = items(start, len(rows)), time.perf_counter()
            writer.add("/made", some, rows)
            adding += time.perf_counter() - begun
    begun = time.perf_counter()
    facts = update_cells(folder, lambda done, total: None)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    told = None if facts is None else facts.model_dump()
    return {"adding_s": adding, "cells_s": time.perf_counter() - begun, "before_mb": before, "peak_mb": peak_mb(),
            "disk_mb": size, "told": told}  # fmt: skip


def first_search(folder: Path) -> dict[str, object]:
    """A process that opens the index and searches once."""
    before = peak_mb()
    query, begun = drawn(1, 0), time.perf_counter()
    SimilarityIndex(folder).search(query, K)
    return {"seconds": time.perf_counter() - begun, "before_mb": before, "peak_mb": peak_mb()}


def measured_searches(folder: Path) -> dict[str, dict[str, object]]:
    """Queries one after the other, with each way in turn."""
    import faiss

    faiss.omp_set_num_threads(physical_cores())
    index = SimilarityIndex(folder)
    snapshot, cells = index.snapshot, index.cells
    rows = np.arange(len(snapshot.alive))
    flat = faiss.IndexFlatIP(DIMENSIONS)
    for _, block in blocks():
        flat.add(block)
    ways: dict[str, Search] = {
        "Capas, every row": lambda query: exact_nearest(snapshot.similarities, query, K, rows)[0],
        "faiss, every row (IndexFlatIP)": lambda query: flat.search(query, K)[1],
    }
    if cells is not None and VECTORS > EXACT_ROWS:
        probes = cells.measured.probes
        plain = faiss.index_factory(DIMENSIONS, f"IVF{cells.count},SQ8", faiss.METRIC_INNER_PRODUCT)
        plain.train(drawn(min(VECTORS, 50 * cells.count), 1))
        for _, block in blocks():
            plain.add(block)
        plain.nprobe = probes
        ways = {
            "Capas": lambda query: approximate_nearest(snapshot, cells, query, K, rows, probes)[0],
            f"faiss alone (IVF{cells.count},SQ8)": lambda query: plain.search(query, K)[1],
            **ways,
        }
    queries = drawn(QUERIES, 10**9)
    truth = flat.search(queries, K)[1]
    per_second: dict[str, list[float]] = {way: [] for way in ways}
    shares: dict[str, NDArray[np.float64]] = {}
    asked = {way: QUERIES if "every row" not in way else max(10, QUERIES // 20) for way in ways}
    for _ in range(ROUNDS):
        for way, search in ways.items():
            begun = time.perf_counter()
            found = [search(query[None])[0] for query in queries[: asked[way]]]
            per_second[way].append(asked[way] / (time.perf_counter() - begun))
            hits = [len(set(a.tolist()) & set(b.tolist())) / K for a, b in zip(found, truth, strict=False)]
            shares[way] = np.array(hits)
    return {
        way: {"per_second": per_second[way], "recall": mean_with_interval(torch.from_numpy(shares[way])).as_json()}
        for way in ways
    }


def add_for_ever(folder: Path) -> None:
    """Add batches until killed; the number of acknowledged items goes to standard output."""
    start = len(IndexSnapshot(folder).alive)
    with IndexWriter(folder) as writer:
        while True:
            writer.add("/made", items(start, 500), drawn(500, start))
            start += 500
            os.write(1, f"{start}\n".encode())


def killed(folder: Path) -> dict[str, object]:
    """Kill the adding process again and again."""
    new_index(folder)
    lost = whole = 0
    for number in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.search", "add", str(folder)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(number).uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        said = (first + process.stdout.read()).split(b"\n")
        process.wait()
        acknowledged = max((int(line) for line in said[:-1] if line), default=0)
        snapshot = IndexSnapshot(folder)
        snapshot.check(np.arange(len(snapshot.alive)))
        there = snapshot.items(np.arange(len(snapshot.alive)))
        assert [one.item for one in there] == items(0, len(there))
        lost += max(0, acknowledged - len(there))
        whole = len(there)
    return {"kills": KILLS, "lost": lost, "items": whole}


def apart(act: str, folder: Path) -> dict[str, object]:
    """Run a part of this benchmark in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.search", act, str(folder)]
    tree = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
    assert isinstance(tree, dict)
    return tree


def main() -> None:
    """Build, search, kill, and keep the figures."""
    facts = conditions("search") | {"vectors": VECTORS, "dimensions": DIMENSIONS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "index"
        built = apart("build", folder)
        print(built, flush=True)
        once = apart("once", folder)
        print(once, flush=True)
        ways = measured_searches(folder)
        print(ways, flush=True)
        kills = killed(Path(name) / "killed")
    rows = []
    for way, one in ways.items():
        recall, speeds = one["recall"], one["per_second"]
        assert isinstance(recall, dict) and isinstance(speeds, list)
        low, high = recall.get("interval", [float("nan")] * 2)
        rows.append([way, f"{recall['value']:.4f} ({low:.4f}–{high:.4f}), n = {recall['n']}", spread(speeds, 0)])
    told = built["told"]
    text = (__doc__ or "") + "\n" + table(["search", "recall@10", "queries/s"], rows) + "\n\n"
    text += (
        f"Adding took {built['adding_s']:.1f} s, dividing into cells and measuring {built['cells_s']:.1f} s; at most "
        f"{built['peak_mb']:.0f} MB of memory ({built['before_mb']:.0f} MB before it began), {built['disk_mb']:.0f} MB "
        f"on the disk. "
    )
    if isinstance(told, dict):
        text += (
            f"The index itself told a recall of {told['recall']['value']:.4f} (n = {told['recall']['n']}, own items), "
            f"looking into {told['probes']} cells. "
        )
    text += (
        f"A process that opens it and searches once: {once['seconds']:.2f} s, {once['peak_mb']:.0f} MB "
        f"({once['before_mb']:.0f} MB before).\n\n"
        f"Killed {kills['kills']} times while adding: {kills['lost']} acknowledged items lost, of {kills['items']}.\n"
    )
    keep("search", "Similarity search", text, facts,
         {"built": built, "once": once, "searches": ways, "kills": kills})  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) == 3:
        place = Path(sys.argv[2])
        if sys.argv[1] == "add":
            add_for_ever(place)
        print(json.dumps(build(place) if sys.argv[1] == "build" else first_search(place)))
    else:
        main()
