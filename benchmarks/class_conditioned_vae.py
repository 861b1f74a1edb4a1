"""A class-conditioned VAE on digits: does it classify, keep the class out of the shared latent, and edit?

After Antorán & Miguel (ICMLA 2019). MNIST-5k: 4,000 digits to learn from, the official test of 1,000, which is read
once a seed. ``capas train sample:mnist5k --method vae`` beside a plain classifier (the same without the method), both
at their defaults and with the same seed; a third, plain one, with a seed of its own, judges edited digits.

- *accuracy*; expected: at most 1 point below the plain classifier's;
- *class read from the shared latent* of test digits by a logistic regression that is fitted to those of the training
  digits; expected: at most 10 points above chance (10 %). A small network reads it too: a linear one sees less;
- *another class*: each test digit drawn as another class, chosen at random; *another style*: each with the shared
  latent of another test digit; *traversed*: with one number of the shared latent set to -2 or 2. How often the judge
  takes it for the class that it should have; expected: ≥ 95 %. Beside it, what is merely rebuilt, and the digits as
  they are;
- *what stays* when a digit is drawn as another class: the correlation of its slant and of its ink with those of what is
  drawn, each less the mean of its class (the interval is Fisher's);
- *rebuilt*: squared error of the pixels in [0, 1], summed over a digit;
- accuracy with noise (its standard deviation in 0..255) and when turned, neither of which was in training, beside the
  plain classifier's.

``CAPAS_SEEDS``, ``CAPAS_EPOCHS`` and ``CAPAS_DRAW`` (a picture of the first seed's edits is written there) choose less
or more.
"""

import math
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import capas
from benchmarks.record import conditions, keep, spread, table
from capas.data.image.augment import random_rotation
from capas.data.sources.samples import open_sample
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.rate import Z95, Rate, rate
from capas.metrics.representation import linear_probe_accuracy
from capas.networks.generative.class_conditioned_vae import ClassConditionedVAE

SEEDS = [int(seed) for seed in os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")]
EPOCHS = os.environ.get("CAPAS_EPOCHS", "")
DRAW = os.environ.get("CAPAS_DRAW", "")
JUDGE_SEED = 1000
NOISE = (40.0, 80.0, 120.0)  # standard deviations, 0..255
TURNS = (15.0, 30.0, 45.0)  # largest angle, degrees
CHUNK = 500
TRAVERSED = 4  # shared numbers that are drawn, those that tell most
COMMON: Mapping[str, object] = {"execution.precision": "bfloat16", "execution.memory_format": "channels_last"}


class Digits:
    """Training and test digits, uint8 (N, 1, 28, 28), with their classes."""

    def __init__(self) -> None:
        sample = open_sample("mnist5k")
        self.classes = sorted(set(sample.labels))
        images = torch.stack([torch.from_numpy(sample.images.decode(i)).permute(2, 0, 1) for i in range(5000)])
        labels = torch.tensor([self.classes.index(name) for name in sample.labels])
        test = torch.tensor([part == "test" for part in sample.fixed_split])
        self.train, self.test = (images[~test], labels[~test]), (images[test], labels[test])


class Classifier:
    """The network of a run, on digits as they are in files."""

    def __init__(self, run: Path) -> None:
        predictor = capas.load(run, answer_all=True).predictor
        assert isinstance(predictor, SingleOutputPredictor) and isinstance(predictor.reader, ImageReader)
        self.network: nn.Module = predictor.reader.network
        self.preparation = predictor.reader.preparation

    @torch.no_grad()
    def classes(self, images: Tensor) -> Tensor:
        """Return the class of each image, 0..255."""
        return torch.cat(
            [self.network(self.preparation.normalise(part)).argmax(1) for part in torch.split(images, CHUNK)]
        )

    def rate(self, images: Tensor, classes: Tensor) -> Rate:
        """How many images are taken for ``classes``."""
        return rate(int((self.classes(images) == classes).sum()), len(classes))

    @property
    def vae(self) -> ClassConditionedVAE:
        assert isinstance(self.network, ClassConditionedVAE)
        return self.network

    @torch.no_grad()
    def latents(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the means of the class and the shared latent, of the class that each image is taken for."""
        found: tuple[list[Tensor], list[Tensor]] = [], []
        for part in torch.split(images, CHUNK):
            pixels = self.preparation.normalise(part)
            latents = self.vae.posteriors(pixels, self.network(pixels).argmax(1))
            for many, one in zip(found, (latents.class_latent, latents.shared_latent), strict=True):
                many.append(one.mean)
        return torch.cat(found[0]), torch.cat(found[1])

    @torch.no_grad()
    def drawn(self, class_latents: Tensor, shared_latents: Tensor) -> Tensor:
        """Return images of latents, 0..255, whole numbers as in a file."""
        parts = zip(torch.split(class_latents, CHUNK), torch.split(shared_latents, CHUNK), strict=True)
        images = torch.cat([self.vae.decode(*pair) for pair in parts])
        return ((images * self.preparation.std[0] + self.preparation.mean[0]) * 255).round().clamp(0, 255)


def train(root: Path, name: str, seed: int, **settings: object) -> tuple[Path, float]:
    """Train on the digits; the run and its seconds."""
    out = root / f"{name}-{seed}"
    more = {"train.epochs": float(EPOCHS)} if EPOCHS else {}
    result = capas.train("sample:mnist5k", out=out, seed=seed, report="none", settings={**COMMON, **more, **settings})
    assert result is not None
    return out, result.seconds


def small_network_reads(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Rate:
    """How many classes a network with one hidden layer reads from vectors."""
    from sklearn.neural_network import MLPClassifier

    reader = MLPClassifier((64,), max_iter=60, early_stopping=True, random_state=0)
    reader.fit(train[0].numpy(), train[1].numpy())
    return rate(int((reader.predict(test[0].numpy()) == test[1].numpy()).sum()), len(test[1]))


def traversed_rates(vae: Classifier, judge: Classifier, own: Tensor, shared: Tensor, classes: Tensor) -> Rate:
    """Each digit with one number of its shared latent, in turn, at -2 or 2."""
    moved, places = shared.clone(), torch.arange(len(shared)) % shared.shape[1]
    moved[torch.arange(len(shared)), places] = torch.where(
        torch.arange(len(shared)) // shared.shape[1] % 2 == 0, -2, 2.0
    )
    return judge.rate(vae.drawn(own, moved), classes)


def ink(images: Tensor) -> Tensor:
    """How much is written, of each image."""
    return images.flatten(1).sum(1)


def slant(images: Tensor) -> Tensor:
    """How far the strokes of each image lean: Σ xy / Σ y² of its ink, about its centre."""
    ink_BHW = images[:, 0].clamp(min=0).float()
    total, places = ink_BHW.sum((1, 2)), torch.arange(ink_BHW.shape[1]).float()
    y, x = ((ink_BHW.sum(3 - side) * places).sum(1) / total for side in (1, 2))
    from_y, from_x = places[None] - y[:, None], places[None] - x[:, None]
    product = (ink_BHW * from_y[:, :, None] * from_x[:, None]).sum((1, 2))
    return product / (ink_BHW.sum(2) * from_y.square()).sum(1)


def correlation(first: Tensor, classes: Tensor, second: Tensor, others: Tensor) -> dict[str, object]:
    """The correlation of two measures, each less the mean of its class, with Fisher's interval."""
    sides = []
    for values, of in ((first, classes), (second, others)):
        means = torch.stack([values[of == k].mean() for k in range(int(of.max()) + 1)])
        sides.append(values - means[of])
    found, n = float(torch.corrcoef(torch.stack(sides))[0, 1]), len(first)
    ends = [math.tanh(math.atanh(found) + sign * Z95 / math.sqrt(n - 3)) for sign in (-1, 1)]
    return {"value": round(found, 4), "n": n, "interval": [round(end, 4) for end in ends]}


def editing(vae: Classifier, judge: Classifier, digits: Digits, seed: int) -> dict[str, object]:
    """What the judge takes edited test digits for."""
    images, classes = digits.test
    own, shared = vae.latents(images)
    rng = torch.Generator().manual_seed(seed)
    others = (classes + torch.randint(1, len(digits.classes), classes.shape, generator=rng)) % len(digits.classes)
    styles = shared[torch.randperm(len(shared), generator=rng)]
    with torch.no_grad():
        means = vae.vae.prior_means(others)
    rebuilt, edited = vae.drawn(own, shared), vae.drawn(means, shared)
    errors = ((rebuilt - images) / 255).square().flatten(1).sum(1)
    return {
        "digits as they are": judge.rate(images, classes).as_json(),
        "rebuilt": judge.rate(rebuilt, classes).as_json(),
        "another class": judge.rate(edited, others).as_json(),
        "another style": judge.rate(vae.drawn(own, styles), classes).as_json(),
        "traversed": traversed_rates(vae, judge, own, shared, classes).as_json(),
        "slant stays": correlation(slant(images), classes, slant(edited), others),
        "ink stays": correlation(ink(images.float()), classes, ink(edited), others),
        "squared error": mean_with_interval(errors).as_json(),
    }


def robustness(classifiers: Mapping[str, Classifier], digits: Digits) -> dict[str, object]:
    """Accuracy of each classifier on spoilt test digits."""
    images, classes = digits.test
    spoils: dict[str, Callable[[torch.Generator], Tensor]] = {}
    for deviation in NOISE:
        spoils[f"noise {deviation:.0f}"] = lambda rng, d=deviation: (  # type: ignore[misc]
            (images + d * torch.randn(images.shape, generator=rng)).round().clamp(0, 255)
        )
    for angle in TURNS:
        spoils[f"turned by up to {angle:.0f}°"] = lambda rng, a=angle: random_rotation(images, a, rng)  # type: ignore[misc]
    found: dict[str, object] = {}
    for title, spoil in spoils.items():
        spoilt = spoil(torch.Generator().manual_seed(0))
        found[title] = {name: one.rate(spoilt, classes).as_json() for name, one in classifiers.items()}
    return found


def measure(root: Path, judge: Classifier, digits: Digits, seed: int) -> dict[str, object]:
    """Everything of one seed."""
    run, seconds = train(root, "vae", seed, **{"method.name": "vae"})
    plain_run, plain_seconds = train(root, "plain", seed)
    vae, plain = Classifier(run), Classifier(plain_run)
    train_shared, test_shared = vae.latents(digits.train[0])[1], vae.latents(digits.test[0])[1]
    vectors = (train_shared, digits.train[1]), (test_shared, digits.test[1])
    linear = linear_probe_accuracy(*vectors[0], *vectors[1])
    if DRAW and seed == SEEDS[0]:
        draw(vae, digits, Path(DRAW))
    return {
        "seed": seed,
        "accuracy": {"vae": vae.rate(*digits.test).as_json(), "plain": plain.rate(*digits.test).as_json()},
        "read from shared": {"linear": linear.as_json(), "small network": small_network_reads(*vectors).as_json()},
        "editing": editing(vae, judge, digits, seed),
        "robustness": robustness({"vae": vae, "plain": plain}, digits),
        "seconds": {"vae": round(seconds, 1), "plain": round(plain_seconds, 1)},
    }


def draw(vae: Classifier, digits: Digits, path: Path) -> None:
    """Draw test digits as every class, and the shared numbers that tell most from -3 to 3 on one of them."""
    images, classes = digits.test
    first = torch.tensor([int((classes == k).nonzero()[0]) for k in range(len(digits.classes))])
    own, shared = vae.latents(images[first])
    means = vae.vae.class_means.detach()
    rows = [
        torch.cat([images[first[i]][None].float(), vae.drawn(means, shared[i].expand(len(means), -1))])
        for i in range(len(first))
    ]
    with torch.no_grad():
        everything = vae.vae.posteriors(vae.preparation.normalise(images[:CHUNK]), classes[:CHUNK])
    most = everything.shared_latent.divergence().mean(0).argsort(descending=True)[:TRAVERSED]
    of = 3  # the digit that is traversed
    for place in most.tolist():
        moved = shared[of].repeat(len(means) + 1, 1)
        moved[:, place] = torch.linspace(-3, 3, len(moved))
        rows.append(vae.drawn(own[of].expand(len(moved), -1), moved))
    grid = torch.cat([torch.cat(list(row[:, 0]), dim=1) for row in rows]).numpy().astype(np.uint8)
    height, width = grid.shape
    grid = np.insert(grid, height - 28 * TRAVERSED, np.full((6, width), 255, np.uint8), axis=0)
    picture = Image.fromarray(255 - grid)
    picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    picture.save(path, lossless=True, method=6)


def rows_of(runs: list[dict[str, object]]) -> list[list[str]]:
    """The table's rows: median and range over seeds, and the interval of each."""
    rows: list[list[str]] = []

    def add(title: str, *path: str, expected: str = "", share: bool = True) -> None:
        scale, digits = (100, 1) if share else (1, 2)
        found: list[dict[str, object]] = []
        for run in runs:
            at: object = run
            for key in path:
                assert isinstance(at, dict)
                at = at[key]
            assert isinstance(at, dict)
            found.append(at)
        values = [scale * float(str(one["value"])) for one in found]
        intervals = ["–".join(f"{scale * end:.{digits}f}" for end in one["interval"]) for one in found]  # type: ignore[attr-defined]
        rows.append([title, spread(values, digits), "; ".join(intervals), expected])

    add("accuracy", "accuracy", "vae", expected="plain − 1 or more")
    add("accuracy, plain classifier", "accuracy", "plain")
    add("class read from the shared latent, linear", "read from shared", "linear", expected="≤ 20 (chance: 10)")
    add("class read from the shared latent, small network", "read from shared", "small network")
    for title in ("another class", "another style", "traversed"):
        add(f"{title}: the judge agrees", "editing", title, expected="≥ 95")
    add("rebuilt: the judge agrees", "editing", "rebuilt")
    add("digits as they are: the judge is right", "editing", "digits as they are")
    for title in ("slant stays", "ink stays", "squared error"):
        shown = (
            "squared error of what is rebuilt" if title == "squared error" else f"another class: {title}, correlation"
        )
        add(shown, "editing", title, share=False)
    spoilt = runs[0]["robustness"]
    assert isinstance(spoilt, dict)
    for title in spoilt:
        for name in ("vae", "plain"):
            add(f"accuracy, {title}, {name}", "robustness", title, name)
    return rows


def main() -> None:
    """Measure seed after seed; keep what is there after each."""
    facts = {**conditions("class-conditioned-vae"), "epochs": EPOCHS or "default"}
    digits, runs = Digits(), list[dict[str, object]]()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        judge = Classifier(train(root, "judge", JUDGE_SEED)[0])
        for seed in SEEDS:
            runs.append(measure(root, judge, digits, seed))
            print(runs[-1], flush=True)
            heads = ["", "%, median (range)", "95 % interval of each seed (n = 1,000)", "expected"]
            text = (__doc__ or "") + "\n" + table(heads, rows_of(runs))
            keep("class-conditioned-vae", "Class-conditioned VAE", text, {**facts, "seeds": len(runs)}, {"runs": runs})


if __name__ == "__main__":
    main()
