"""``make fuzz``: the mutations of the tests with other seeds, for as long as asked; with atheris where it is installed,
which lets the lines that were reached guide them.

What fails is written to a folder, one input each, with what came out.
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None
    from tests import conftest  # noqa: F401  (types are checked here too)
else:
    with atheris.instrument_imports(include=["capas"]):
        import tests.fuzz.formats  # noqa: F401

from tests.fuzz.formats import FORMATS
from tests.fuzz.worker import (
    Finding,
    failure_of,
    fewer,
    findings,
    known_failure,
    limit_process,
    mutated_cases,
    mutated_input,
    put,
    read_files,
)

EACH = 40


def main() -> int:
    """Fuzz; 1 where something failed that is not known to."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--format", action="append", choices=sorted(FORMATS), help="by default all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    asked = parser.parse_args()
    names = asked.format or list(FORMATS)
    for name in names:
        FORMATS[name].seed()
    if atheris is None:
        print("atheris is not installed (pip install atheris; not on every system): mutations of our own alone.")
        found = _by_mutation(names, asked.seconds, asked.seed, asked.out)
    else:
        print("Half of the time with mutations of our own, half with atheris.")
        found = _by_mutation(names, asked.seconds / 2, asked.seed, asked.out)
        found += _by_atheris(names, asked.seconds / 2, asked.out)
    for one in fewer(found):
        print(f"{one.case}: {one.failure}")
    return 1 if found else 0


def _by_mutation(names: Sequence[str], seconds: float, seed: int, out: Path) -> list[Finding]:
    """Rounds of so many inputs of each format, a seed each."""
    found, count, end = list[Finding](), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        cases = mutated_cases(names, EACH, seed)
        for one in findings(cases):
            if not known_failure(one):
                found.append(one)
                _keep(one, out)
        count, seed = count + len(cases), seed + 1
        print(f"{count} inputs of {len(names)} formats, {len(found)} failures", flush=True)
    return found


def _keep(found: Finding, out: Path) -> None:
    """Write the input of a finding, and what came out."""
    name, _, rest = found.case.partition(" #")
    number, _, seed = rest.partition(" of seed ")
    folder = out / found.case.replace(" ", "-").replace("#", "")
    put(folder, mutated_input(name, int(number), int(seed)))
    (folder / "failure.txt").write_text(f"{found.failure}\n", encoding="utf-8")


def _by_atheris(names: Sequence[str], seconds: float, out: Path) -> list[Finding]:
    """Each format for its share of the time, in a process of its own: atheris ends the process that it runs in."""
    found = list[Finding]()
    for name in names:
        child = os.fork()
        if child == 0:
            _atheris_child(name, max(1, round(seconds / len(names))), out / f"atheris-{name.replace(' ', '-')}")
        if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            found.append(Finding(case=f"{name} #atheris", failure=f"atheris ended with {status}; see {out}"))
    return found


def _atheris_child(name: str, seconds: int, out: Path) -> None:
    form = FORMATS[name]
    files = dict(form.seed())
    limit_process()
    out.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp())
    corpus = place / "corpus"
    put(corpus, {"seed": files[form.target]})

    def test(data: bytes) -> None:
        failure = failure_of(lambda folder: read_files(form, {**files, form.target: data}, folder), place)
        if failure and not known_failure(Finding(case=name, failure=failure)):
            (out / "failure.txt").write_text(f"{failure}\n", encoding="utf-8")
            raise AssertionError(failure)

    with contextlib.chdir(out):
        options = (f"-max_total_time={seconds}", "-timeout=60", "-rss_limit_mb=0", "-verbosity=0")
        atheris.Setup([sys.argv[0], *options, str(corpus)], test)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
