"""The same trust report on other kinds of data: which of the nine questions it answers, what it finds, how long.

Trained for half a minute each (the table as long as it needs), then ``capas trust`` as it is by default: pictures of
clothes (Fashion-MNIST), colour pictures with a pretrained EfficientNet-Lite0 (Google's emoji in nine categories, 60 of
each to learn from), Reuters topics (tags of texts), spoken digits, the fuel economy of cars (a number from a table),
and zones of street scenes (CamVid).

Expected: every question that means something for the kind of data is answered; where not, the report says why.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import camvid, regression, reuters, spoken_digits, transfer
from benchmarks.record import conditions, keep, table
from benchmarks.trained import train
from capas.trust.theme import THEMES

SIGNS = {"nothing_found": "✓", "attention": "!", "problem": "✗", "not_computed": "–"}
MINUTE = ("--time", "30s")


def photographs(folder: Path) -> Path:
    """More of each category than the benchmark of transfer learns from, so that some are left for validation."""
    transfer.TRAIN, transfer.TEST = 60, 60  # type: ignore[misc]
    transfer.lay_out(transfer.emoji(folder), folder / "emoji", 1)
    return folder / "emoji"


def scenes(folder: Path) -> Path:
    """CamVid's training and test part."""
    (folder / "camvid").mkdir()
    return camvid.lay_out(folder / "camvid")


def data_sets(folder: Path) -> dict[str, tuple[Path | str, tuple[str, ...]]]:
    """Title: data, and options of ``capas train``."""
    return {
        "Fashion-MNIST": ("sample:fashion-mnist", MINUTE),
        "colour pictures, EfficientNet-Lite0": (photographs(folder), MINUTE),
        "Reuters topics": (reuters.lay_out(folder), MINUTE),
        "spoken digits": (spoken_digits.lay_out(folder / "digits.csv"), ("--target", "digit", *MINUTE)),
        "cars, a table": (regression.cars(folder, 1), ()),
        "street scenes, zones": (scenes(folder), ("--time", "45s")),
    }


def main() -> None:
    """One run and one report of each."""
    facts = conditions("trust-kinds")
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (title, (data, options)) in enumerate(data_sets(folder).items()):
            run = folder / f"run-{number}"
            train(data, run, (), *options)
            report = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
            measured[title] = {
                "verdict": report["verdict"], "seconds": report["seconds"],
                "themes": {key: {part: theme[part] for part in ("status", "not_computed_because", "seconds")}
                           for key, theme in report["themes"].items()},
            }  # fmt: skip
            print(title, json.dumps(measured[title], ensure_ascii=False), flush=True)
    rows = [
        [title, *(SIGNS[found["themes"][key]["status"]] for key in THEMES), f"{found['seconds']:.0f}"]
        for title, found in measured.items()
    ]
    why = [
        f"- {title}, {key}: {theme['not_computed_because']}"
        for title, found in measured.items() for key, theme in found["themes"].items() if theme["not_computed_because"]
    ]  # fmt: skip
    verdicts = [f"- {title}: {found['verdict']}" for title, found in measured.items()]
    text = "\n".join([__doc__ or "", table(["", *THEMES, "report s"], rows), "",
                      "✓ nothing unusual found, ! needs attention, ✗ problem found, – not computed:", "", *why, "",
                      "Verdicts:", "", *verdicts])  # fmt: skip
    keep("trust-kinds", "The trust report on six kinds of data", text, facts, measured)


if __name__ == "__main__":
    main()
