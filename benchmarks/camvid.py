"""CamVid: 367 street scenes with masks of 11 classes, U-Net on a pretrained encoder against one from scratch.

The data (480×360, as used by SegNet; class 11 is void) is read from ``$CAPAS_DATA/camvid``. Its ``val`` (101 scenes)
has the role of the test here, read once per run; validation is carved out of ``train``. Everything is at its default
but the start: pictures of 192×256, about 19 epochs, one core. Figures are counted at 480×360.

Expected: mean intersection over union of the 11 classes ≥ 55 % with the pretrained encoder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import conditions, keep, table

CLASSES = ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
           "Bicyclist", "void")  # fmt: skip
WAYS = {
    "pretrained encoder": ["network.pretrained=true"],
    "the same network from scratch": ["network.name=unet-lite0", "network.pretrained=false"],
}


def lay_out(folder: Path) -> Path:
    """``train`` and ``test`` as links, with the names of the classes."""
    source = Path(os.environ["CAPAS_DATA"]) / "camvid"
    for side, role in (("train", "train"), ("val", "test")):
        (folder / role).symlink_to(source / side, target_is_directory=True)
    (folder / "classes.txt").write_text("".join(f"{number} {name}\n" for number, name in enumerate(CLASSES)))
    return folder


def train(data: Path, settings: list[str], out: Path) -> dict[str, object]:
    """One run of the command line."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--json", "--out", str(out)]
    for setting in ("execution.threads=1", "data.follow_links=true", *settings):
        command += ["--set", setting]
    started = time.process_time()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, object] = json.loads(printed)
    result["figures"] = json.loads((out / "metrics.json").read_text())
    result["process_s"] = round(time.process_time() - started, 1)
    return result


def report(runs: dict[str, dict[str, object]], facts: dict[str, object]) -> None:
    """What has been measured so far."""
    rows, by_class = [], []
    for name, run in runs.items():
        figures = run["figures"]
        assert isinstance(figures, dict)
        iou, accuracy = figures["metrics"]["mean_iou"], figures["metrics"]["pixel_accuracy"]
        low, high = iou["interval"]
        baseline = figures["baseline"]["most_frequent_class"]["mean_iou"]["value"]
        rows.append([name, f"{100 * iou['value']:.1f} % ({100 * low:.1f}–{100 * high:.1f}), n = {iou['n']}",
                     f"{100 * accuracy['value']:.1f} %", f"{100 * baseline:.1f} %", run["seconds"]])  # fmt: skip
        by_class.append([name, *(f"{100 * figures['per_class'][c]['iou']['value']:.0f}" if c in figures["per_class"]
                                 else "–" for c in CLASSES[:-1])])  # fmt: skip
    heads = ["", "test mIoU (95 %)", "pixels right", "always the commonest class", "training s"]
    text = table(heads, rows) + "\n\nIntersection over union by class, %:\n\n" + table(["", *CLASSES[:-1]], by_class)
    keep("camvid", "CamVid: zones of street scenes", (__doc__ or "") + "\n" + text, facts, {"runs": runs})


def main() -> None:
    """One run of each."""
    facts = conditions("camvid")
    runs: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary) / "camvid"
        data.mkdir()
        lay_out(data)
        for number, (name, settings) in enumerate(WAYS.items()):
            runs[name] = train(data, settings, Path(temporary) / f"run-{number}")
            report(runs, facts)


if __name__ == "__main__":
    main()
