"""What an installation weighs over torch, and how soon ``capas --help`` answers.

A fresh environment with torch alone, then Capas without extras beside it: distributions and bytes that this added.
``capas --help`` is timed seven times by its own processor seconds (user + system), and must not import torch,
scikit-learn or SciPy.

Expected: ≤ 350 MB over torch; ≤ 0.3 s; none of torch, scikit-learn and SciPy.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, table

ROOT = Path(__file__).parent.parent
HEAVY_IMPORTS = """
import sys
from capas.cli.main import main
sys.argv = ["capas", "--help"]
try:
    main()
except SystemExit:
    print(sorted({"torch", "sklearn", "scipy"} & set(sys.modules)))
"""


def distributions(python: Path) -> set[str]:
    """Names of what is installed."""
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    return {row["name"] for row in json.loads(listed.stdout)}


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def help_seconds(capas: Path) -> float:
    """Processor seconds of ``capas --help``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([capas, "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Install twice and compare."""
    facts = conditions("weight")
    with tempfile.TemporaryDirectory() as temporary:
        environment = Path(temporary) / "env"
        python = environment / "bin" / "python"
        pip = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([*pip, "torch"], check=True)
        names, bytes_before = distributions(python), size(environment)
        subprocess.run([*pip, ROOT], check=True)
        added = sorted(distributions(python) - names - {"capas"})
        weight = size(environment) - bytes_before
        capas = environment / "bin" / "capas"
        times = [help_seconds(capas) for _ in range(8)][1:]
        loaded = subprocess.run([python, "-c", HEAVY_IMPORTS], check=True, capture_output=True, text=True)
    measured: dict[str, object] = {
        "distributions_added": added,
        "bytes_added": weight,
        "help_cpu_s": times,
        "help_imports": loaded.stdout.strip().splitlines()[-1],
    }
    rows = [
        ["distributions over torch", len(added), ""],
        ["MB over torch", f"{weight / 1e6:.0f}", "≤ 350"],
        ["`capas --help`, CPU s (median of 7)", f"{statistics.median(times):.2f}", "≤ 0.3"],
        ["heavy imports of `capas --help`", measured["help_imports"], "[]"],
    ]
    text = (__doc__ or "") + "\n" + table(["", "measured", "expected"], rows) + "\n\nAdded: " + ", ".join(added)
    keep("weight", "Weight and start", text, facts, measured)


if __name__ == "__main__":
    main()
