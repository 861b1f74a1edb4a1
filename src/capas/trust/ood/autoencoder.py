"""Reconstruction error of a small autoencoder of the training images: an OOD score per image, and a heatmap.

After Cohen, Bertin & Frappier, "Chester: A Web Delivered Locally Computed Chest X-Ray Disease Prediction System" 2019
(arXiv:1901.11210): an autoencoder at a reduced size is trained on the training images; an image that it reconstructs
badly is out of distribution. The heatmap is |x − x̂|, its mean the ``recScore``; the gate compares x and x̂ by
structural similarity (SSIM, Wang et al. 2004): the score is 1 − SSIM.

Deviations: an own network for the user's images, not one trained on chest X-rays; images are reduced to at most 64
pixels a side, small ones stay as they are; the heatmap is smoothed by (1 2 1)/4 both ways, since a single pixel that
differs is no detection (planted 5×5 defects on MNIST: 93 % of their pixels among the highest tenth, 75 % without).

    x (C, h, w) → two or three convolutions with stride 2 → z, one number per 49 of x, 16 to 64 → the same way back → x̂

Shapes: B images (C, H, W) in 0..1; (C, h, w) their reduced size.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from capas.metrics.image_quality import ssim

LARGEST: Final = 64
SMALLEST: Final = 16  # SSIM needs 11 pixels
MAX_IMAGES: Final = 5_000
# Pictures × pixels that are drawn while learning: 22 passes over 4,000 of 28×28, some 12 seconds on one core.
WORK: Final = 22 * 4_000 * 28 * 28
MIN_STEPS: Final = 200
MAX_EPOCHS: Final = 40
_BATCH: Final = 64
_WIDTH: Final = 16
_NETWORK: Final = "network."


def working_size(height: int, width: int) -> tuple[int, int]:
    """Return (h, w) at which images are reconstructed: 16..64 pixels a side, multiples of 4 (of 8 where above 32).

    >>> working_size(28, 28), working_size(480, 640), working_size(8, 8)
    ((28, 28), (48, 64), (16, 16))
    """
    factor = min(1.0, LARGEST / max(height, width))
    step = 8 if max(height, width) > 32 else 4
    small, wide = (max(SMALLEST, step * round(side * factor / step)) for side in (height, width))
    return small, wide


class Autoencoder(nn.Module):
    """Convolutional autoencoder: images (B, channels, h, w) → the same shape in 0..1, through ``code`` units."""

    def __init__(self, *, channels: int, height: int, width: int, code: int) -> None:
        super().__init__()
        self.shape = (channels, height, width, code)
        stages = 3 if max(height, width) > 32 else 2
        widths = [channels, *(_WIDTH * 2**i for i in range(stages))]
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            down += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
            up = [nn.ReLU(), nn.ConvTranspose2d(after, before, 4, stride=2, padding=1), *up]
        self.corner = (widths[-1], height // 2**stages, width // 2**stages)
        self.down, self.up = nn.Sequential(*down), nn.Sequential(*up)
        self.to_code = nn.Linear(math.prod(self.corner), code)
        self.from_code = nn.Linear(code, math.prod(self.corner))

    def forward(self, pictures_BCHW: Tensor) -> Tensor:
        """Return the reconstructed images."""
        code = self.to_code(self.down(pictures_BCHW).flatten(1))
        drawn: Tensor = self.up(self.from_code(code).unflatten(1, self.corner))
        return drawn.sigmoid()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconstructionResult:
    """The reconstruction error of B images.

    Attributes:
        dissimilarity: 1 − SSIM, shape (B,), 0..2.
        mean_absolute_error: Mean |x − x̂| (recScore), shape (B,), 0..1.
        heatmap: |x − x̂| averaged over the channels, smoothed, at the image's own size, shape (B, H, W).
    """

    dissimilarity: Tensor
    mean_absolute_error: Tensor
    heatmap: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class ReconstructionScore:
    """A trained autoencoder; images of any size with its number of channels are resized to its size."""

    network: Autoencoder

    @classmethod
    def fit(cls, images: Float[Tensor, "N C H W"], rng: torch.Generator) -> "ReconstructionScore":
        """Train on the images, at most 5,000 of them, in a time that does not grow with their number.

        Raises:
            ValueError: There is no image.
        """
        if not len(images):
            raise ValueError("no pictures; expected one or more")
        chosen = torch.randperm(len(images), generator=rng)[:MAX_IMAGES]
        height, width = working_size(*images.shape[2:])
        small = torch.cat([_resized(part, height, width) for part in torch.split(images[chosen], 256)])
        channels = small.shape[1]
        code = min(64, max(16, channels * height * width // 49))
        # Weights are drawn from the global stream, which is left as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**62, (1,), generator=rng)))
            network = Autoencoder(channels=channels, height=height, width=width, code=code)
        _learn(network, small, rng)
        return cls(network=network.eval().requires_grad_(False))

    def reconstruct(self, images: Float[Tensor, "N C H W"], *, batch: int = 256) -> ReconstructionResult:
        """Return scores and heatmaps of images; the heatmaps of all N must fit into memory."""
        parts = [self._draw(part) for part in torch.split(images, batch)]
        dissimilarity, difference, heat = (torch.cat(column) for column in zip(*parts, strict=True))
        return ReconstructionResult(dissimilarity=dissimilarity, mean_absolute_error=difference, heatmap=heat)

    def _draw(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        height, width = self.network.shape[1:3]
        small = _resized(pictures, height, width)
        with torch.no_grad():
            drawn = self.network(small)
        apart = (small - drawn).abs().mean(1, keepdim=True)
        heat = F.interpolate(_smoothed(apart), size=pictures.shape[2:], mode="bilinear", align_corners=False)
        return 1 - ssim(drawn, small), apart.mean((1, 2, 3)), heat[:, 0]

    def tensors(self) -> dict[str, Tensor]:
        """Return the state as tensors, for safetensors."""
        held = {_NETWORK + name: values.contiguous() for name, values in self.network.state_dict().items()}
        return {**held, "shape": torch.tensor(self.network.shape)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "ReconstructionScore":
        """Build it from what ``tensors`` returned."""
        channels, height, width, code = tensors["shape"].tolist()
        network = Autoencoder(channels=channels, height=height, width=width, code=code)
        network.load_state_dict(
            {name.removeprefix(_NETWORK): values for name, values in tensors.items() if name.startswith(_NETWORK)}
        )
        return cls(network=network.eval().requires_grad_(False))


def _learn(network: Autoencoder, pictures: Tensor, rng: torch.Generator) -> None:
    """Mean squared error, Adam, one cycle of the learning rate up to 0.005."""
    n, pixels = len(pictures), pictures[0, 0].numel()
    batch = min(_BATCH, n)
    steps = max(MIN_STEPS, WORK // pixels // batch)
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(n, generator=rng)
        rows, order = order[:batch], order[batch:]
        loss = F.mse_loss(network(pictures[rows]), pictures[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _resized(pictures: Tensor, height: int, width: int) -> Tensor:
    if pictures.shape[2:] == (height, width):
        return pictures.float()
    resized = F.interpolate(
        pictures.float(), size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.clamp(0, 1)


def _smoothed(maps: Float[Tensor, "B 1 h w"]) -> Float[Tensor, "B 1 h w"]:
    """(1 2 1)/4 both ways; the edge is continued."""
    row = torch.tensor([0.25, 0.5, 0.25])
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="replicate"), (row[:, None] * row)[None, None])
