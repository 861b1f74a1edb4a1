"""Enlarging photographs ×2: a small network against bicubic enlargement, on photographs held out.

The photographs are frames of street scenes (480×360 JPEG) in ``$CAPAS_DATA/camvid``: every third of ``train`` to learn
from, every fifth of ``val`` to test on. What is given is the photograph made half as large by Pillow's bicubic filter.
PSNR and SSIM are counted on whole RGB pictures, borders included. Everything is at its default, on one core.

Expected: PSNR at least 1 dB above bicubic.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, table

EVERY = {"train": ("train", 3), "val": ("test", 5)}


def lay_out(folder: Path) -> Path:
    """``train`` and ``test`` with links to the photographs."""
    source = Path(os.environ["CAPAS_DATA"]) / "camvid"
    for side, (role, every) in EVERY.items():
        (folder / role).mkdir(parents=True)
        for picture in sorted((source / side / "images").iterdir())[::every]:
            (folder / role / picture.name).symlink_to(picture)
    return folder


def measure(name: str, kind: str, title: str, text: str, names: tuple[str, ...]) -> None:
    """One run of the command line; the figures ``names`` beside those of the baseline."""
    facts = conditions(name)
    with tempfile.TemporaryDirectory() as temporary:
        data, out = lay_out(Path(temporary) / "photographs"), Path(temporary) / "run"
        command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--json", "--task", "transform"]
        command += [
            "--out",
            str(out),
            "--set",
            f"transform.kind={kind}",
            "--set",
            "execution.threads=1",
            "--set",
            "data.follow_links=true",
        ]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds = json.loads(printed)["seconds"]
        figures = json.loads((out / "metrics.json").read_text())
    (baseline, without), found = next(iter(figures["baseline"].items())), figures["metrics"]
    rows = [["Capas", *(_shown(found[key]) for key in names), round(seconds)],
            [baseline, *(_shown(without[key]) if key in without else "" for key in names), ""]]  # fmt: skip
    page = text + "\n" + table(["", *names, "training s"], rows)
    keep(name, title, page, facts, {"figures": figures, "training_s": seconds})


def _shown(figure: dict[str, object]) -> str:
    interval = figure["interval"]
    assert isinstance(interval, list)
    ends = f"{interval[0]:.3g}–{interval[1]:.3g}"
    return f"{float(str(figure['value'])):.3f} {figure['unit']} ({ends}), n = {figure['n']}"


def main() -> None:
    """Learn and test once."""
    title = "Enlarging photographs: against bicubic"
    measure("super-resolution", "super-resolve", title, __doc__ or "", ("psnr", "ssim", "psnr_gain"))


if __name__ == "__main__":
    main()
