"""StyleGAN2 and StyleGAN3 beside DCGAN: the same pictures, the same time, the same test; and what each is known for.

MNIST-5k as in ``generation``, and Google's emoji of ``transfer`` at 32 pixels: every network learns for
``CAPAS_SECONDS`` (600) on this machine with its defaults, and StyleGAN2 once more without its path length.
``CAPAS_SEEDS`` (1,2,3), ``CAPAS_DATA`` (mnist,emoji).

- Figures of the test as in ``generation``. Expected: FID of StyleGAN2 below that of DCGAN.
- Perceptual path length in W of ``CAPAS_PAIRS`` (500) pairs of one class, with the features of the other figures.
  Expected: smaller with path length than without.
- Equivariance under shifts (EQ-T, dB) of the trained generators: the sine waves of StyleGAN3 are moved, and the
  constant of StyleGAN2, as if it went on around its edges. Expected: StyleGAN3 above StyleGAN2.
- Locality of style mixing: the layers up to the middle, or those from there on, are told another latent. How much of
  the change is detail, and is not seen in the picture at a quarter of its size? Expected: more of it where the fine
  layers change.

In ``stylegan.png`` the first sample gives way to another one layer by layer, a row for each network and data set.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.generation import FIGURES, figures_row, learn
from benchmarks.generation import lay_out as lay_out_mnist
from benchmarks.record import RESULTS, conditions, keep, spread, table
from benchmarks.transfer import emoji
from capas.core.rng import seeded_generator
from capas.engine.predict import load_model
from capas.engine.recipes.generation.features import SampleFeatures
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.generation.image_editing import mix_styles
from capas.generation.image_sampling import Drawing, ImageSampler
from capas.metrics.generation.perceptual_path_length import perceptual_path_length
from capas.metrics.generation.shift_equivariance import shift_equivariance, whole_shifts
from capas.networks.generative.style_generator import StyleGenerator
from capas.sampling.pixels import to_unit_range

SECONDS: Final = float(os.environ.get("CAPAS_SECONDS", "600"))
SEEDS: Final = tuple(map(int, os.environ.get("CAPAS_SEEDS", "1,2,3").split(",")))
DATA: Final = tuple(os.environ.get("CAPAS_DATA", "mnist,emoji").split(","))
PAIRS: Final = int(os.environ.get("CAPAS_PAIRS", "500"))
SHIFTED, MIXED, KNOWN = 64, 64, 1000
WITHOUT: Final = "stylegan2 without path length"
CONTESTANTS: Final[Mapping[str, Mapping[str, object]]] = {
    "dcgan": {"network.name": "dcgan"},
    "stylegan2": {"network.name": "stylegan2"},
    WITHOUT: {"network.name": "stylegan2", "generation.path_length": 0.0},
    "stylegan3": {"network.name": "stylegan3"},
}


def lay_out_emoji(folder: Path) -> Path:
    """All emoji, of all categories alike, in ``train``, ``validation`` and ``test``, eight of ten in the first."""
    with tempfile.TemporaryDirectory() as name:
        pictures = sorted(path for group in emoji(Path(name)).values() for path in group)
        for i, path in enumerate(pictures):
            target = folder / {0: "test", 5: "validation"}.get(i % 10, "train") / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                shown = Image.new("RGBA", image.size, "white")
                shown.alpha_composite(image.convert("RGBA"))
                shown.convert("RGB").resize((32, 32), Image.Resampling.LANCZOS).save(target)
    return folder


LAY_OUT: Final[Mapping[str, Callable[[Path], Path]]] = {
    "mnist": lambda folder: lay_out_mnist(folder, 4000), "emoji": lay_out_emoji,
}  # fmt: skip


def known_features(data: Path) -> SampleFeatures:
    """The features of the other figures, fitted to training pictures."""
    paths = sorted((data / "train").rglob("*.png"))
    some = [paths[i] for i in np.linspace(0, len(paths) - 1, min(KNOWN, len(paths))).round().astype(int)]
    pixels = [np.array(Image.open(path)) for path in some]
    images = torch.from_numpy(np.stack([image.reshape(*image.shape[:2], -1) for image in pixels]))
    return SampleFeatures.fit(to_unit_range(images.permute(0, 3, 1, 2)))


def opened(run: Path) -> tuple[StyleGenerator, int]:
    """The generator of a run, and the pixels a side of its images."""
    predictor = load_model(run).predictor
    assert isinstance(predictor, GenerationPredictor) and isinstance(predictor.network, StyleGenerator)
    return predictor.network, predictor.settings.image_size


def drawn_latents(generator: StyleGenerator, count: int, name: str, classes: Tensor | None) -> Tensor:
    """Latents (count, W) of noise by name."""
    noise = torch.randn(count, generator.mapping.noise, generator=seeded_generator(0, name))
    return generator.latents(noise, classes)


@torch.no_grad()
def traits(generator: StyleGenerator, side: int, features: SampleFeatures) -> dict[str, float]:
    """Path length, equivariance, and the share of detail in what coarse and fine layers change."""
    numbers = torch.arange(PAIRS) % max(1, generator.mapping.classes)
    classes = numbers if generator.mapping.classes else None
    first, second = (drawn_latents(generator, PAIRS, name, classes) for name in ("first", "second"))
    places = torch.rand(PAIRS, generator=seeded_generator(0, "places"))
    path = perceptual_path_length(
        lambda latents: generator.draw(generator.styles(latents)).clamp(-1, 1), features.of, first, second, places
    )
    shifts = whole_shifts(SHIFTED, side, seeded_generator(0, "shifts"))
    styles = generator.styles(first[:SHIFTED])[: len(shifts)]
    equivariance = shift_equivariance(lambda shift: generator.draw(styles, None, shift), shifts[: len(styles)])
    pairs, other = first[:MIXED], second[:MIXED]
    middle = torch.full((len(pairs),), generator.num_styles // 2)
    still = generator.draw(generator.styles(pairs))
    changed = {
        "coarse": generator.draw(generator.mixed(other, pairs, middle)) - still,
        "fine": generator.draw(generator.mixed(pairs, other, middle)) - still,
    }
    return {
        "ppl": path.value, "eq_t": equivariance,
        **{f"detail_{name}": share_of_detail(change) for name, change in changed.items()},
    }  # fmt: skip


def share_of_detail(changes: Tensor) -> float:
    """The share of the energy of images (N, C, S, S) that is lost at a quarter of the size."""
    small = F.avg_pool2d(changes, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return float((changes - small).square().sum() / changes.square().sum().clamp(min=1e-12))


def mixed_row(run: Path) -> NDArray[np.uint8]:
    """Sample 0 gives way to another of its class layer by layer, twice as large, (H, W, 3)."""
    sampler = ImageSampler(load_model(run), str(run))
    other = max(1, len(sampler.classes))
    frames = [image.pixels for image in mix_styles(sampler, 0, other, Drawing(seed=0))]
    row = np.concatenate([frame.reshape(*frame.shape[:2], -1) for frame in frames], axis=1)
    return np.kron(np.broadcast_to(row, (*row.shape[:2], 3)), np.ones((2, 2, 1), np.uint8))


def stacked(rows: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Rows of different widths below one another, on white."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )


def main() -> None:
    """All networks on each data set."""
    facts = conditions("stylegan")
    measured: dict[str, object] = {"seconds_each": SECONDS}
    texts, rows = [], []
    for data_name in DATA:
        figures, known_for = [], []
        with tempfile.TemporaryDirectory() as name:
            data = LAY_OUT[data_name](Path(name) / "data")
            features = known_features(data)
            for contestant, settings in CONTESTANTS.items():
                runs, found = [], []
                for seed in SEEDS:
                    out = Path(name) / f"{contestant}-{seed}"
                    tree = learn(data, out, seed, {**settings, "train.time_s": SECONDS})
                    runs.append(cast(Mapping[str, object], tree["metrics"]))
                    facts[f"features_{data_name}"] = tree["features"]
                    if settings["network.name"] != "dcgan":
                        found.append(traits(*opened(out), features))
                figures.append(figures_row(contestant, runs))
                measured[f"{data_name}, {contestant}"] = {"figures": runs, "traits": found}
                if found:
                    known_for.append([contestant, *(
                        spread([one[trait] * scale for one in found])
                        for trait, scale in (("ppl", 1), ("eq_t", 1), ("detail_coarse", 100), ("detail_fine", 100))
                    )])  # fmt: skip
                    rows.append(mixed_row(Path(name) / f"{contestant}-{SEEDS[0]}"))
        heads = ["network", "coverage", "density", "KID", "FID", "near copies", "class accuracy score"]
        traits_heads = [
            "network",
            "PPL in W",
            "EQ-T, dB",
            "% detail: coarse layers change",
            "% detail: fine layers change",
        ]
        texts.append(
            f"## {data_name}\n\n{table(heads[: 1 + len(FIGURES)], figures)}\n\n{table(traits_heads, known_for)}"
        )
    Image.fromarray(stacked(rows)).save(RESULTS / "stylegan.png")
    text = f"{SECONDS:.0f} s of training each; seeds {SEEDS}; {PAIRS} pairs.\n\n" + "\n\n".join(texts)
    keep("stylegan", "StyleGAN beside DCGAN", text, facts, measured)


if __name__ == "__main__":
    main()
