"""A deep autoencoder beside principal components: the squared error of held-out pictures at 30 numbers a picture.

Hinton & Salakhutdinov (Science 2006) report, for the network 784-1000-500-250-30 with 2,837,314 numbers and the 60,000
digits of MNIST, a squared error of 3.00 per picture, and 13.87 for PCA: a ratio of 0.22. Here the same network, trained
by ``capas train --task embed --method autoencoder`` at its defaults, on

- MNIST-5k: 4,000 digits to learn from (validation among them), the official test of 1,000;
- Fashion-MNIST: 60,000 garments to learn from, 2,000 of the official test of 10,000.

Pixels are in [0, 1]; the error is summed over the 784 of a picture and averaged over the test. PCA is fitted to the
same training pictures (at most 20,000). Ways to learn: with clean inputs or *denoising* (a quarter of the pixels
masked, noise added), all layers at once or *layer-wise* first, and *without shifts* of the pictures. Expected: a ratio
of 0.5 at most. The paper's hidden units are logistic, ours rectified: as many numbers.

The defaults were chosen on a part of MNIST-5k's training pictures; the test was not looked at for that.
``CAPAS_SETS`` (names, separated by commas), ``CAPAS_SEEDS`` and ``CAPAS_SEEN`` (pictures seen in all) choose less.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import capas
from benchmarks.record import conditions, keep, spread, table
from capas.networks.representation.deep_autoencoder import DeepAutoencoder, DeepAutoencoderConfig

PARAMETERS = 2_837_314
PAPER = {"autoencoder": 3.00, "pca": 13.87}
SAMPLES = {"MNIST-5k": "sample:mnist5k", "Fashion-MNIST": "sample:fashion-mnist"}
SETS = os.environ.get("CAPAS_SETS", ",".join(SAMPLES)).split(",")
SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EXAMPLES = {"MNIST-5k": 4000, "Fashion-MNIST": 60_000}
SEEN = os.environ.get("CAPAS_SEEN", "")
COMMON: Mapping[str, object] = {
    "data.task": "embed", "execution.precision": "bfloat16", "execution.memory_format": "contiguous",
}  # fmt: skip
WAYS: Mapping[str, Mapping[str, object]] = {
    "plain": {"method.name": "autoencoder"},
    "plain, without shifts": {"method.name": "autoencoder", "augment.crop": 0.0},
    "plain, layer-wise": {"method.name": "autoencoder", "network.layer_wise": True},
    "denoising": {"method.name": "denoising"},
    "denoising, layer-wise": {"method.name": "denoising", "network.layer_wise": True},
}


def check_size() -> None:
    """The network is the paper's: as many numbers, and a code of 30."""
    network = DeepAutoencoder(DeepAutoencoderConfig())
    numbers = sum(parameter.numel() for parameter in network.parameters())
    assert numbers == PARAMETERS, numbers


def measure(name: str, way: str, seed: int, root: Path) -> dict[str, object]:
    """Train once; the errors of the test, and the time."""
    settings = {**COMMON, **WAYS[way]}
    if SEEN:
        settings["train.epochs"] = max(1.0, round(float(SEEN) / EXAMPLES[name], 2))
    out = root / f"{name}-{way.replace(', ', '-')}-{seed}"
    result = capas.train(SAMPLES[name], out=out, seed=seed, report="none", settings=settings)
    assert result is not None
    card = json.loads((out / "bundle" / "card.json").read_text(encoding="utf-8"))
    assert card["network"]["parameters"] == PARAMETERS, card["network"]["parameters"]
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    own, pca = metrics["metrics"]["squared_error"], metrics["baseline"]["pca"]["squared_error"]
    return {
        "seed": seed, "squared_error": own, "pca": pca, "ratio": round(own["value"] / pca["value"], 4),
        "seconds": round(result.seconds, 1),
    }  # fmt: skip


def row(name: str, way: str, runs: list[dict[str, object]]) -> list[str]:
    """A row of the table."""
    errors, pca = ([float(run[key]["value"]) for run in runs] for key in ("squared_error", "pca"))  # type: ignore[index]
    ratios, seconds = ([float(str(run[key])) for run in runs] for key in ("ratio", "seconds"))
    intervals = "; ".join("–".join(f"{end:.2f}" for end in run["squared_error"]["interval"]) for run in runs)  # type: ignore[index]
    return [name, way, spread(errors, 2), intervals, f"{pca[0]:.2f}", spread(ratios, 2), spread(seconds, 0)]


def main() -> None:
    """Measure every set, way and seed; keep what is there after each way."""
    check_size()
    facts = {**conditions("deep-autoencoder"), "seeds": len(SEEDS), "seen": SEEN or "default", "parameters": PARAMETERS}
    rows = [["MNIST, 60,000", "the paper", f"{PAPER['autoencoder']:.2f}", "", f"{PAPER['pca']:.2f}",
             f"{PAPER['autoencoder'] / PAPER['pca']:.2f}", ""]]  # fmt: skip
    heads = ["data", "way", "squared error", "95 % intervals", "PCA", "ratio", "training s"]
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            for way in WAYS:
                runs = [measure(name, way, seed, Path(folder)) for seed in SEEDS]
                rows.append(row(name, way, runs))
                measured[f"{name}, {way}"] = runs
                print(rows[-1], flush=True)
                text = (__doc__ or "") + "\n" + table(heads, rows)
                keep("deep-autoencoder", "Deep autoencoder", text, facts, measured)


if __name__ == "__main__":
    main()
