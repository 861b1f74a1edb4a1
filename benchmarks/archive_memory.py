"""The memory that an archive takes whose pictures are larger than it: added, read, indexed and searched within a limit.

Pages of A4 at 300 dots per inch, grey, in TIFF without compression, 8.7 MB each, drawn as ``sample:manuscripts`` draws
them and enlarged, each with a little noise of its own; lines are found, not given. Each verb runs as its own process:
its peak is the largest resident memory that the system counted. Where control groups can be made (Linux, as root), all
verbs run in one of 2 GB that also counts the pages of files which the system keeps: an archive larger than the memory
there is. ``python -m benchmarks.archive_memory --run RUN`` takes a finished reader; without, one is trained for two
minutes, which reads badly and takes as much memory.

Expected: below 2 GB.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.record import conditions, keep, table
from benchmarks.trained import finished_run, train
from capas.data.synthetic.manuscripts import make_manuscripts

PAGES, DRAWN, WIDTH, HEIGHT = 280, 14, 2480, 3508
LIMIT = 2 * 1024**3
GROUP = Path("/sys/fs/cgroup/memory/capas-archive-memory")


def draw(folder: Path) -> int:
    """The pages; how many bytes they take."""
    chance = np.random.default_rng(0)
    made = sorted(make_manuscripts(folder / "drawn", pages=DRAWN, test_pages=0).rglob("*.jpg"))
    scans = folder / "scans"
    scans.mkdir()
    for number in range(PAGES):
        with Image.open(made[number % DRAWN]) as picture:
            page = np.asarray(picture.convert("L").resize((WIDTH, HEIGHT)), dtype=np.int16)
        noise = chance.integers(-4, 5, page.shape, dtype=np.int16)
        Image.fromarray(np.clip(page + noise, 0, 255).astype(np.uint8)).save(scans / f"{number + 1:04d}.tif")
    return sum(path.stat().st_size for path in scans.iterdir())


def limited() -> bool:
    """Whether a group with the limit could be made; this process then stands outside, its verbs inside."""
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError:
        return False
    return True


def verb(*words: str, inside: bool) -> tuple[float, float, dict[str, object]]:
    """Peak memory in MB and seconds of one verb of ``capas archive``, and what it said."""
    enter = ["sh", "-c", f'echo $$ > {GROUP}/cgroup.procs; exec "$@"', "sh"] if inside else []
    command = [*enter, sys.executable, "-m", "capas.cli.main", "archive", *words, "--json"]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(words)}: {process.returncode}")
        said.seek(0)
        answer: dict[str, object] = json.load(said)
    return _mb(used), time.monotonic() - started, answer


def _mb(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024


def main(run: Path | None = None) -> None:
    """Draw, then each verb in turn."""
    facts = conditions("archive-memory")
    if run:
        facts["command"] = "python -m benchmarks.archive_memory --run RUN"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if run is None:
            run = folder / "run"
            train("sample:manuscripts", run, (), "--time", "2m", "--report", "none")
        size, inside = draw(folder), limited()
        archive = str(folder / "archive")
        verbs = {
            "new": (archive,), "add": (archive, str(folder / "scans")), "read": (archive, "--model", str(run)),
            "index": (archive, "--min-probability", "0.001"), "search": (archive, "de", "--min-probability", "0.001"),
        }  # fmt: skip
        rows, measured = list[list[object]](), dict[str, object]()
        for name, words in verbs.items():
            peak, seconds, answer = verb(name, *words, inside=inside)
            said = {key: value for key, value in answer.items() if isinstance(value, int) and key != "page"}
            rows.append([name, f"{peak:.0f}", f"{seconds:.0f}", ", ".join(f"{k} {v}" for k, v in said.items())])
            measured[name] = {"peak_mb": peak, "seconds": seconds, "said": said}
            print(rows[-1], flush=True)
    within = f"within a group of {LIMIT / 1e9:.1f} GB" if inside else "without a limit (no control group could be made)"
    said_all = f"{PAGES} pages, {size / 1e9:.1f} GB of pictures, {within}."
    text = f"{__doc__}\n{said_all}\n\n" + table(["verb", "peak, MB", "seconds", "said"], rows)
    facts_of = {"pages": PAGES, "picture_bytes": size, "limited": inside}
    keep("archive-memory", "An archive larger than memory", text, facts, {**facts_of, "verbs": measured})


if __name__ == "__main__":
    main(finished_run(sys.argv[1:], "--run"))
