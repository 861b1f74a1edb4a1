"""What `capas look` costs at a million rows and at 50,000 small images, beside controls that only read them.

- The table: 1,000,000 rows and 10 columns, as in ``make bench table-reading``. Control: pyarrow reads the same file
  with types of its own (where it is installed); the csv module reads it and each row is hashed.
- The images: 50,000 grey PNGs of 28×28 pixels in 10 class folders. Control: Pillow decodes each file in a plain loop,
  and its bytes are hashed.
- ``capas look`` also tries how fast a network trains here; ``without the trial`` is the same without that.
- The store: what the images need in memory for a network that sees 3×104×104 pixels, and how long a batch of 64 takes.
- Shortcuts: seconds to find whether one attribute tells the class, of 4 examples a class.

Each is a process of its own, one after another, three times over (A B C A B C); processor seconds (user + system) and
the peak of resident memory are those of the whole process, with its imports, on one thread.

Expected: without the trial ≤ 10 s and ≤ 600 MB for the table, ≤ 12 s and ≤ 400 MB for the images; the store ≤ 1 kB an
image; twice the classes cost at most 2.5 times as long.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

NAME = "scale"
ROWS, IMAGES, ROUNDS = 1_000_000, 50_000, 3
LIMITS = {"look: table, without the trial": (10, 600), "look: images, without the trial": (12, 400)}
CLASSES = (10_000, 20_000, 40_000)
LOOK = "import sys; from capas.cli.main import main; sys.argv = ['capas', 'look', sys.argv[1], '--json']; main()"
INSPECT = "import sys; from capas.data.inspect.report import inspect_dataset; inspect_dataset(sys.argv[1]).as_json()"
PYARROW = "import sys; from pyarrow import csv; csv.read_csv(sys.argv[1])"
CSV = (
    "import csv, hashlib, sys\n"
    "for row in csv.reader(open(sys.argv[1], encoding='utf-8', newline='')):\n"
    "    hashlib.blake2b(repr(row).encode(), digest_size=16).hexdigest()\n"
)
PILLOW = (
    "import hashlib, io, os, sys\n"
    "from PIL import Image\n"
    "for folder, _, names in os.walk(sys.argv[1]):\n"
    "    for name in names:\n"
    "        data = open(os.path.join(folder, name), 'rb').read()\n"
    "        hashlib.blake2b(data, digest_size=16).hexdigest()\n"
    "        Image.open(io.BytesIO(data)).load()\n"
)


def write_images(root: Path, count: int) -> None:
    """Write images in 10 class folders: a pattern of each class under noise."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    patterns = rng.normal(128, 60, (10, 7, 7))
    for number in range(10):
        (root / f"class_{number}").mkdir(parents=True)
    for i in range(count):
        pixels = np.kron(patterns[i % 10] + rng.normal(0, 40, (7, 7)), np.ones((4, 4))) + rng.normal(0, 10, (28, 28))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"class_{i % 10}" / f"{i:05d}.png")


def write_data(root: Path) -> None:
    """Write the table and the images."""
    from benchmarks.table_reading import write_table

    write_table(root / "table.csv", ROWS)
    write_images(root / "images", IMAGES)


def measure(code: str, path: Path) -> dict[str, float]:
    """Return what a process that runs ``code`` on ``path`` cost."""
    # Linux hands a process the peak of the one that started it: this one stays smaller than any of these.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.DEVNULL, env=environment)
    _, status, spent = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit {process.returncode} of {code}")
    return {"cpu_s": spent.ru_utime + spent.ru_stime, "peak_mb": spent.ru_maxrss * 1024 / 1e6}


def in_a_process(*words: str) -> str:
    """Run a part of this file in a process of its own and return what it prints."""
    command = [sys.executable, "-m", "benchmarks.scale", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measure_store(root: Path) -> dict[str, float]:
    """Read the images for a large network; return bytes an image and seconds a batch."""
    import time

    import torch

    from capas.data.image.io import ImageFiles
    from capas.data.image.preprocess import ImagePreprocessing
    from capas.data.image.store import ImageStore

    paths = sorted(root.rglob("*.png"))
    preparation = ImagePreprocessing(height=104, width=104, channels=3)
    store = ImageStore.build(ImageFiles(paths, root), range(len(paths)), preparation)
    started = time.process_time()
    for step in range(20):
        store.take(torch.arange(64 * step, 64 * step + 64))
    return {"bytes_an_image": store.nbytes / len(paths), "batch_s": (time.process_time() - started) / 20}


def measure_shortcuts() -> dict[str, float]:
    """Return the seconds by number of classes, the least of three."""
    import random
    import time

    from capas.data.inspect.shortcuts import accuracy_from_attribute

    seconds = {}
    for count in CLASSES:
        classes = [f"c{i % count}" for i in range(4 * count)]
        values = [f"v{random.Random(i).randrange(50)}" for i in range(4 * count)]
        tries = []
        for _ in range(3):
            started = time.process_time()
            accuracy_from_attribute(values, classes)
            tries.append(time.process_time() - started)
        seconds[str(count)] = min(tries)
    return seconds


def main() -> None:
    """Measure everything and keep the result."""
    import importlib.util

    load = round(os.getloadavg()[0], 2)
    with_pyarrow = importlib.util.find_spec("pyarrow") is not None
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        in_a_process("write", str(root))
        table, images = root / "table.csv", root / "images"
        readers = {
            **({"control: pyarrow": (PYARROW, table)} if with_pyarrow else {}),
            "control: csv module, hashes": (CSV, table),
            "look: table, without the trial": (INSPECT, table),
            "look: table": (LOOK, table),
            "control: Pillow, hashes": (PILLOW, images),
            "look: images, without the trial": (INSPECT, images),
            "look: images": (LOOK, images),
        }  # fmt: skip
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in readers}
        for number in range(ROUNDS):
            for name, (code, path) in readers.items():
                runs[name].append(measure(code, path))
                print(number, name, {key: round(value, 1) for key, value in runs[name][-1].items()}, file=sys.stderr)
        store = json.loads(in_a_process("store", str(images)))
    shortcuts = json.loads(in_a_process("shortcuts"))

    from benchmarks.record import conditions, keep, spread  # they bring torch: only now
    from benchmarks.record import table as as_table

    rows = []
    for name, own in runs.items():
        seconds, peak = [run["cpu_s"] for run in own], [run["peak_mb"] for run in own]
        limit = LIMITS.get(name)
        expected = "" if limit is None else f"≤ {limit[0]} s, ≤ {limit[1]} MB"
        held = limit is None or (statistics.median(seconds) <= limit[0] and statistics.median(peak) <= limit[1])
        rows.append(
            [name, spread(seconds), spread(peak, 0), expected, "" if limit is None else "yes" if held else "no"]
        )
    growth = [shortcuts[str(b)] / shortcuts[str(a)] for a, b in pairwise(CLASSES)]
    text = "\n\n".join([
        (__doc__ or "").strip(),
        f"{ROWS:,} rows, {IMAGES:,} images; median and range of {ROUNDS} rounds.",
        as_table(["", "CPU s", "peak MB", "expected", "held"], rows),
        as_table(["", "measured", "expected", "held"], [
            ["store: bytes an image", f"{store['bytes_an_image']:.0f}", "≤ 1,000",
             "yes" if store["bytes_an_image"] <= 1000 else "no"],
            ["store: ms of the processor a batch of 64", f"{1000 * store['batch_s']:.1f}", "", ""],
            ["shortcuts: ms of the processor for " + ", ".join(f"{n:,}" for n in CLASSES) + " classes",
             ", ".join(f"{1000 * shortcuts[str(n)]:.0f}" for n in CLASSES),
             "≤ 2.5 times for twice as many", "yes" if max(growth) <= 2.5 else "no"],
        ]),
    ])  # fmt: skip
    measured = {"rows": ROWS, "images": IMAGES, "runs": runs, "store": store, "shortcuts_s": shortcuts}
    keep(NAME, "Scale", text, {**conditions(NAME), "load_at_start": load}, measured)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_data(Path(sys.argv[2]))
    elif sys.argv[1] == "store":
        print(json.dumps(measure_store(Path(sys.argv[2]))))
    else:
        print(json.dumps(measure_shortcuts()))
