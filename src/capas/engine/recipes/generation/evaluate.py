"""How good a generator is: are its samples like real images, as varied, and new?

No one figure says it. Coverage and density (Naeem et al. 2020), FID and KID compare features of samples and of test
images; beside them stands what other real images get, which is as good as it can be with as few images, and what a
Gaussian over the pixels gets. Near copies are looked for among the training images. With classes a classifier that has
only seen samples is tested on real images (Ravuri & Vinyals, "Classification Accuracy Score", NeurIPS 2019). With
captions a model that has only seen real images says which caption a sample was drawn for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from capas.core.rng import seeded_generator
from capas.engine.recipe import TestResult
from capas.engine.recipes.generation.caption_reader import CaptionReader
from capas.engine.recipes.generation.features import MAX_FITTED, SampleFeatures
from capas.engine.recipes.generation.prompts import Captions
from capas.metrics.bootstrap import mean_with_interval
from capas.metrics.generation.density_coverage import density_coverage
from capas.metrics.generation.frechet_distance import frechet_distance
from capas.metrics.generation.kernel_distance import kernel_distance
from capas.metrics.generation.near_copies import NearCopies, near_copies
from capas.metrics.rate import Rate, interval_json, rate
from capas.sampling.generator import USUAL, ImageGenerator, RatesImages, SamplingOptions
from capas.sampling.noise import classes_in_turn, sample_generators

MAX_SAMPLES: Final = 1_000
MAX_RATED: Final = 200  # test images whose probability is asked for
MAX_EVALUATIONS: Final = 100_000  # of the network for all samples
MIN_SAMPLES: Final = 100
PORTION: Final = 50
SHOWN: Final = 8
THUMBNAIL: Final = 8
GAUSSIAN_COMPONENTS: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownImages:
    """Real images.

    Attributes:
        names: Their names.
        images: (N, C, H, W) in [-1, 1].
        classes: (N,), int64; None where none are told apart.
        captions: What is said of each; None where nothing is.
    """

    names: Sequence[str]
    images: Tensor
    classes: Tensor | None
    captions: Captions | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """Samples.

    Attributes:
        images: (N, C, H, W) in [-1, 1].
        condition: The classes (N,) or vectors of captions (N, V) that were asked for; None without.
        names: The same in words; "" without.
    """

    images: Tensor
    condition: Tensor | None
    names: Sequence[str]


def draw_samples(
    generator: ImageGenerator, count: int, class_names: Sequence[str], captions: Captions | None, seed: int,
    options: SamplingOptions = USUAL,
) -> Drawn:  # fmt: skip
    """Draw ``count`` samples, of all classes or for all captions in turn."""
    asked = class_names if captions is None else captions.texts
    numbers = classes_in_turn(count, len(asked))
    wanted = numbers if captions is None or numbers is None else captions.vectors[numbers]
    parts = []
    for start in range(0, count, PORTION):
        rngs = sample_generators(seed, min(PORTION, count - start), first=start)
        some = None if wanted is None else wanted[start : start + len(rngs)]
        parts.append(generator.draw(rngs, some, options))
    names = [""] * count if numbers is None else [asked[int(number)] for number in numbers]
    return Drawn(images=torch.cat(parts), condition=wanted, names=names)


def thumbnail_coverage(real: Float[Tensor, "N C H W"], made: Float[Tensor, "M C H W"]) -> Rate:
    """Return the share of real images that have a sample near them, as thumbnails."""
    small, small_made = (F.adaptive_avg_pool2d(images, THUMBNAIL).flatten(1).double() for images in (real, made))
    return density_coverage(small, small_made).coverage


def evaluate_generator(
    generator: ImageGenerator, test: KnownImages, *, train: KnownImages | None, class_names: Sequence[str], seed: int,
    count: int | None = None, options: SamplingOptions = USUAL,
) -> TestResult:  # fmt: skip
    """Return the figures of a generator.

    Args:
        generator: What draws.
        test: Images that were kept apart, two or more.
        train: What it learnt from: near copies are looked for among it, and it is what other real images get. None
            where it is not at hand.
        class_names: The classes; () for none.
        seed: Of the samples.
        count: How many samples; None for about as many as test images.
        options: How they are drawn.
    """
    affordable = max(MIN_SAMPLES, MAX_EVALUATIONS // generator.evaluations)
    n = count or min(MAX_SAMPLES, affordable, max(MIN_SAMPLES, len(test.images)))
    drawn = draw_samples(generator, n, class_names, test.captions, seed, options)
    features = SampleFeatures.fit(test.images if train is None else train.images)
    real, made = features.of(test.images), features.of(drawn.images)
    metrics: dict[str, object] = dict(_distances(real, made))
    if isinstance(generator, RatesImages):
        metrics[f"bits_{generator.likelihood}"] = _bits(generator, test, seed)
    baseline: dict[str, Mapping[str, object]] = {}
    further: dict[str, object] = {
        "features": features.name, "samples": n,
        "spread": round(float(_spread(drawn.images) / _spread(test.images).clamp(min=1e-6)), 4),
    }  # fmt: skip
    asked_for = "class" if test.captions is None else "caption"
    rows = [["sample", asked_for], *([str(i), name] for i, name in enumerate(drawn.names))]
    if train is not None:
        others = evenly_spread(train.images, n)
        baseline["gaussian"] = _distances(real, features.of(gaussian_samples(train.images, n, seed)))
        further["real_images"] = _distances(real, features.of(others))
        copies = near_copies(*(images.flatten(1) for images in (drawn.images, train.images, test.images)))
        metrics["near_copies"] = copies.share.as_json()
        further["copies"] = _shown(copies, train.names)
        rows = [row + extra for row, extra in zip(rows, _neighbours(copies, train.names), strict=True)]
    if test.captions is not None and drawn.condition is not None and train is not None and train.captions is not None:
        reader = CaptionReader.fit(features.of(train.images), train.captions.vectors)
        metrics["caption_retrieval"] = reader.retrieval(made, drawn.condition, seed).as_json()
        further["caption_retrieval_of_real"] = reader.retrieval(real, test.captions.vectors, seed).as_json()
    elif drawn.condition is not None and test.classes is not None:
        metrics["class_accuracy_score"] = _taught_by(made, drawn.condition, real, test.classes)
        if train is not None and train.classes is not None:
            taught = features.of(others), evenly_spread(train.classes, n)
            further["class_accuracy_of_real"] = _taught_by(*taught, real, test.classes)
    return TestResult(n=len(test.images), metrics=metrics, baseline=baseline, rows=rows, further=further)


def evenly_spread(rows: Tensor, count: int) -> Tensor:
    """Return at most ``count`` of the rows, evenly spread."""
    return rows[torch.linspace(0, len(rows) - 1, min(count, len(rows))).round().long()]


def gaussian_samples(images: Float[Tensor, "N C H W"], count: int, seed: int) -> Float[Tensor, "M C H W"]:
    """Return draws from the Gaussian over the pixels that has the images' mean and largest principal components."""
    from sklearn.decomposition import PCA

    some = evenly_spread(images, MAX_FITTED).flatten(1).double().numpy()
    fitted = PCA(min(GAUSSIAN_COMPONENTS, *some.shape), random_state=0).fit(some)
    noise = torch.randn(count, fitted.n_components_, generator=seeded_generator(seed, "gaussian"), dtype=torch.float64)
    drawn = fitted.inverse_transform(noise.numpy() * np.sqrt(fitted.explained_variance_))
    return torch.from_numpy(drawn).float().clamp(-1, 1).reshape(-1, *images.shape[1:])


def _spread(images: Tensor) -> Tensor:
    """The mean deviation of a pixel over the images."""
    return images.std(0, correction=0).mean()


def _distances(real: Tensor, made: Tensor) -> dict[str, object]:
    """The figures of features of samples (M, D) beside those of real images (N, D); the first is the headline."""
    covered = density_coverage(real, made)
    return {
        "sample_coverage": covered.coverage.as_json(),
        "sample_density": {
            "value": covered.density,
            "n": len(made),
            **interval_json(covered.density_interval),
            "unit": "",
        },
        "kid": kernel_distance(real, made).as_json() | {"unit": ""},
        "fid": {"value": frechet_distance(real, made), "n": len(made), "unit": ""},
    }


def _bits(generator: RatesImages, test: KnownImages, seed: int) -> dict[str, object]:
    """The mean over at most ``MAX_RATED`` test images."""
    images = evenly_spread(test.images, MAX_RATED)
    said = test.classes if test.captions is None else test.captions.vectors
    condition = None if said is None else evenly_spread(said, MAX_RATED)
    rng, found = seeded_generator(seed, "bits"), []
    for start in range(0, len(images), PORTION):
        part = slice(start, start + PORTION)
        found.append(generator.bits(images[part], None if condition is None else condition[part], rng))
    return mean_with_interval(torch.cat(found).double()).as_json() | {"unit": "bits"}


def _taught_by(features: Tensor, classes: Tensor, real: Tensor, true: Tensor) -> dict[str, object]:
    """The accuracy on real features of a linear classifier that learnt from others."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(classes.tolist())) < 2:
        return rate(int((true == classes[0]).sum()), len(true)).as_json()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features.numpy(), classes.numpy())
    return rate(int((model.predict(real.numpy()) == true.numpy()).sum()), len(true)).as_json()


def _neighbours(copies: NearCopies, names: Sequence[str]) -> list[list[str]]:
    """Columns of ``predictions.csv``: the nearest training image of each sample, and whether it is a near copy."""
    found = zip(copies.nearest.tolist(), copies.distances.tolist(), copies.copied.tolist(), strict=True)
    return [["nearest", "distance", "near_copy"]] + [
        [names[i], f"{distance:.4f}", str(copied).lower()] for i, distance, copied in found
    ]


def _shown(copies: NearCopies, names: Sequence[str]) -> dict[str, object]:
    """The samples nearest to a training image, and what their distances are held against."""
    order = copies.distances.argsort()[:SHOWN].tolist()
    return {
        "distance_ratio": None if math.isinf(copies.distance_ratio) else round(copies.distance_ratio, 4),
        "threshold": round(copies.threshold, 4), "kept_distance": round(copies.kept_distance, 4),
        "nearest": [
            {"sample": i, "train": names[int(copies.nearest[i])], "distance": round(float(copies.distances[i]), 4)}
            for i in order
        ],
    }  # fmt: skip
