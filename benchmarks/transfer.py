"""A folder with 20 pictures per class: pretrained EfficientNet-Lite0 against training from scratch, three seeds.

The pictures are Google's emoji (npm package ``emoji-datasource-google`` 16.0.0, 64×64, Apache-2.0/MIT), the classes
their nine categories (smileys, animals, food, flags, …): 20 of each to learn from, drawn by the seed, 60 others of
each at most to test on. Everything is at its default but the network; there is no validation split, so all 20 are
learnt from.

Expected: pretrained clearly above scratch, intervals apart.
"""

import json
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks.record import conditions, keep, spread, table
from capas.metrics.rate import rate

PACKAGE = "emoji-datasource-google@16.0.0"
SEEDS = (1, 2, 3)
TRAIN, TEST = 20, 60
NETWORKS = {
    "Capas' choice": [],
    "the same network from scratch": ["network.name=efficientnet-lite0", "network.pretrained=false"],
    "compact from scratch": ["network.name=compact"],
}


def emoji(folder: Path) -> dict[str, list[Path]]:
    """Pictures by category."""
    subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, capture_output=True)
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    package = folder / "package"
    by_category: dict[str, list[Path]] = {}
    for row in json.loads((package / "emoji.json").read_text(encoding="utf-8")):
        picture = package / "img" / "google" / "64" / row["image"]
        if row["category"] != "Component" and picture.exists():
            by_category.setdefault(row["category"], []).append(picture)
    return by_category


def lay_out(by_category: dict[str, list[Path]], folder: Path, seed: int) -> None:
    """``train/`` and ``test/`` with a folder per category."""
    for category, pictures in by_category.items():
        drawn = random.Random(f"{seed} {category}").sample(pictures, min(len(pictures), TRAIN + TEST))
        for number, picture in enumerate(drawn):
            target = folder / ("train" if number < TRAIN else "test") / category.replace(" & ", " and ") / picture.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(picture)


def train(data: Path, settings: list[str], seed: int, out: Path) -> dict[str, object]:
    """One run of the command line."""
    command = [sys.executable, "-m", "capas.cli.main", "train", str(data), "--json", "--seed", str(seed)]
    command += ["--out", str(out), "--set", "data.validation=0", "--set", "data.follow_links=true"]
    for setting in settings:
        command += ["--set", setting]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, object] = json.loads(printed)
    return result


def main() -> None:
    """Three draws of 20 per class, each learnt in the three ways."""
    facts = conditions("transfer")
    runs: dict[str, list[dict[str, object]]] = {name: [] for name in NETWORKS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        by_category = emoji(folder)
        for seed in SEEDS:
            lay_out(by_category, folder / f"data-{seed}", seed)
            for number, (name, settings) in enumerate(NETWORKS.items()):
                out = folder / f"run-{seed}-{number}"
                runs[name].append(train(folder / f"data-{seed}", settings, seed, out))
                print(seed, name, json.dumps(runs[name][-1]["metrics"]), flush=True)
    rows = []
    for name, results in runs.items():
        accuracies = [result["metrics"]["accuracy"] for result in results]  # type: ignore[index]
        n = accuracies[0]["n"]
        pooled = rate(sum(round(a["value"] * a["n"]) for a in accuracies), sum(a["n"] for a in accuracies))
        interval = f"{100 * pooled.interval[0]:.1f}–{100 * pooled.interval[1]:.1f}"
        rows.append(
            [name, results[0]["network"], f"{spread([100 * a['value'] for a in accuracies])} %",
             f"{100 * pooled.value:.1f} % ({interval}), n = {len(results)}×{n}",
             spread([float(str(result["seconds"])) for result in results], 0)]
        )  # fmt: skip
    heads = ["", "network", "test accuracy, median (range)", "pooled (95 %)", "training s"]
    keep("transfer", "Few pictures: pretrained against scratch", (__doc__ or "") + "\n" + table(heads, rows), facts,
         {"runs": runs})  # fmt: skip


if __name__ == "__main__":
    main()
