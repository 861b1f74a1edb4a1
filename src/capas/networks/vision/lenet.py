"""LeNet-5, as published in 1998 and as today's textbooks have it.

LeCun, Bottou, Bengio & Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11),
1998.

The 1998 topology (Section II.B; trainable parameters per layer):

    input 32×32 → C1 6@28×28 (156) → S2 6@14×14 (12) → C3 16@10×10 (1,516) → S4 16@5×5 (32)
                → C5 120 (48,120) → F6 84 (10,164) → RBF, one unit per class (fixed codes)        = 60,000

    squashing     f(a) = 1.7159 tanh(2a/3), after every layer up to F6                            (eq. 6)
    subsampling   f(coefficient · (sum of 2×2) + bias), one coefficient and bias per map
    C3            each map sees some maps of S2: 60 of 96 pairs                                   (Table I)
    RBF           y_i = Σ_j (x_j − w_ij)², w_ij ∈ {−1, +1}: a stylised 7×12 picture of the class  (eq. 7)
    weights       uniform in ±2.4 / fan-in                                                        (Appendix A)

Where we deviate: the output is −y_i, so that higher means likelier and cross-entropy on it is the MAP
criterion of eq. 9 without its e^−j; the paper shows its pictures (Fig. 3) without giving their pixels, so
ours are drawn anew on the same grid; other numbers of classes than 10 get random ±1 codes; 28×28 pictures are
padded with two pixels of the corner's grey (the paper: background −0.1, ink 1.175); C5 takes the whole of S4
whatever the picture's size.

The modern form (61,706) keeps the sizes and drops the 1998 particulars: full C3, plain average pooling, tanh,
a linear output. It is the LeNet of today's textbooks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

# Table I of the paper: the maps of S2 that each of the 16 maps of C3 sees.
C3_INPUTS: tuple[tuple[int, ...], ...] = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# Stylised digits, 7 wide and 12 high; "#" is +1. Row by row, the ten pictures side by side.
DIGITS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...#...  .#####.  ######.  ....##.  #######  ..####.  #######  .#####.  .#####.
.#...#.  ..##...  #.....#  ......#  ...#.#.  #......  .#.....  #.....#  #.....#  #.....#
#.....#  .#.#...  ......#  ......#  ..#..#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  ......#  .....#.  .#...#.  #......  #......  .....#.  .#...#.  #.....#
#.....#  ...#...  .....#.  ..###..  #....#.  ######.  #.###..  ....#..  ..###..  #.....#
#.....#  ...#...  ...##..  .....#.  #....#.  ......#  ##...#.  ....#..  .#...#.  .######
#.....#  ...#...  ..#....  ......#  #######  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
.#...#.  ...#...  #......  #.....#  .....#.  #....#.  .#...#.  ..#....  #.....#  .....#.
..###..  .#####.  #######  .#####.  .....#.  .####..  ..###..  ..#....  .#####.  .####..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""

CODE_LENGTH = 84  # 7 × 12
CODE_SEED = 1998


@dataclass(frozen=True, kw_only=True, slots=True)
class LeNetConfig:
    """Configuration of either LeNet-5.

    Attributes:
        in_channels: Channels of the images.
        num_classes: Number of outputs.
        image_size: Pixels a side, at least 12; 28 and 32 give the published parameter counts.
    """

    in_channels: int = 1
    num_classes: int = 10
    image_size: int = 32

    def __post_init__(self) -> None:
        for name, value, least in (
            ("in_channels", self.in_channels, 1),
            ("num_classes", self.num_classes, 1),
            ("image_size", self.image_size, 12),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; expected {least} or more")

    @property
    def padding(self) -> int:
        """Pixels added on each side: two below 32, so that MNIST's 28×28 becomes the paper's 32×32."""
        return 2 if self.image_size < 32 else 0

    @property
    def final_side(self) -> int:
        """Side of the maps of S4 in pixels: 5 for images of 28 and 32."""
        after_s2 = (self.image_size + 2 * self.padding - 4) // 2
        return (after_s2 - 4) // 2


class LeNet5(nn.Module):
    """The modern LeNet-5: images (B, in_channels, S, S) → logits (B, num_classes); 61,706 parameters."""

    def __init__(self, config: LeNetConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.Sequential(
            nn.Conv2d(config.in_channels, 6, 5, padding=config.padding),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(16 * config.final_side**2, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, config.num_classes),
        )

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B, num_classes) of images (B, in_channels, image_size, image_size)."""
        logits: Tensor = self.classifier(self.features(images_BCHW).flatten(1))
        return logits


class ScaledTanh(nn.Module):
    """f(a) = 1.7159 tanh(2a/3), any shape (eq. 6); f(±1) = ±1, where its curvature is greatest."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the squashed tensor, in (−1.7159, 1.7159)."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """S2 and S4: coefficient · (sum of 2×2 neighbours) + bias, per map: (B, C, H, W) → (B, C, H/2, W/2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels, 1, 1).uniform_(-2.4 / 4, 2.4 / 4))
        self.bias = nn.Parameter(torch.empty(channels, 1, 1).uniform_(-2.4 / 4, 2.4 / 4))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return maps of half the size, before squashing."""
        return self.coefficient * (4 * functional.avg_pool2d(x_BCHW, 2)) + self.bias


class PartialConv2d(nn.Module):
    """C3: a 5×5 convolution in which each output map sees only the input maps that ``inputs`` lists for it.

    (B, C, H, W) → (B, len(inputs), H−4, W−4). Only the kernels of existing connections are parameters.
    """

    outputs_of: Tensor
    inputs_of: Tensor

    def __init__(self, inputs: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        pairs = [(out, seen) for out, maps in enumerate(inputs) for seen in maps]
        self.shape = (len(inputs), 1 + max(seen for _, seen in pairs), 5, 5)
        self.register_buffer("outputs_of", torch.tensor([out for out, _ in pairs]), persistent=False)
        self.register_buffer("inputs_of", torch.tensor([seen for _, seen in pairs]), persistent=False)
        bounds = torch.tensor([2.4 / (25 * len(inputs[out])) for out, _ in pairs])
        bias_bounds = torch.tensor([2.4 / (25 * len(maps)) for maps in inputs])
        self.weight = nn.Parameter(torch.empty(len(pairs), 5, 5).uniform_(-1, 1) * bounds[:, None, None])
        self.bias = nn.Parameter(torch.empty(len(inputs)).uniform_(-1, 1) * bias_bounds)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the maps before squashing."""
        dense = self.weight.new_zeros(self.shape)
        dense = dense.index_put((self.outputs_of, self.inputs_of), self.weight)
        return functional.conv2d(x_BCHW, dense, self.bias)


class RadialBasisOutput(nn.Module):
    """−Σ_j (x_j − w_ij)², eq. 7: (B, 84) → (B, num_classes), at most 0. The codes w are never trained."""

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes.to(torch.get_default_device()))

    def forward(self, x_BF: Tensor) -> Tensor:
        """Return negative squared distances to the codes; 0 where x is exactly the code of the class."""
        return -(x_BF[:, None, :] - self.codes).square().sum(dim=2)


class LeNet5_1998(nn.Module):
    """LeNet-5 as published: images (B, in_channels, S, S) → negative squared distances (B, num_classes).

    60,000 trainable parameters for one channel and any number of classes: the output's codes are not trained.
    """

    def __init__(self, config: LeNetConfig) -> None:
        super().__init__()
        self.config = config
        self.c1 = nn.Conv2d(config.in_channels, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConv2d(C3_INPUTS)
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, config.final_side)
        self.f6 = nn.Linear(120, CODE_LENGTH)
        self.squash = ScaledTanh()
        self.output = RadialBasisOutput(output_codes(config.num_classes))
        for layer in (self.c1, self.c5, self.f6):
            bound = 2.4 / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return scores (B, num_classes), at most 0, higher is more likely."""
        x = _pad_with_corner(images_BCHW, self.config.padding)
        for layer in (self.c1, self.s2, self.c3, self.s4, self.c5):
            x = self.squash(layer(x))
        code_BF = self.squash(self.f6(x.flatten(1)))
        scores: Tensor = self.output(code_BF)
        return scores


def output_codes(num_classes: int) -> Tensor:
    """Return the ±1 codes (num_classes, 84) of the RBF output: digits for 10 classes, else random ones, always the
    same.

    >>> output_codes(10).shape, output_codes(3).abs().unique().tolist()
    (torch.Size([10, 84]), [1.0])
    """
    if num_classes != 10:
        generator = torch.Generator(device="cpu").manual_seed(CODE_SEED)
        coins = torch.randint(0, 2, (num_classes, CODE_LENGTH), generator=generator, device="cpu")
        return coins.to(torch.get_default_dtype()) * 2 - 1
    rows = [line.split() for line in DIGITS.split("\n") if line]
    pixels = [[1.0 if pixel == "#" else -1.0 for row in rows for pixel in row[digit]] for digit in range(10)]
    return torch.tensor(pixels, device="cpu")


def _pad_with_corner(images_BCHW: Tensor, padding: int) -> Tensor:
    # The first pixel stands for the background: the network does not know how its input was scaled.
    if padding == 0:
        return images_BCHW
    background = images_BCHW[:, :, :1, :1]
    return functional.pad(images_BCHW - background, (padding,) * 4) + background


def lenet_5(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build the modern LeNet-5 for the catalogue; it has no width."""
    return LeNet5(LeNetConfig(in_channels=in_channels, num_classes=num_classes, image_size=image_size))


def lenet_5_1998(*, in_channels: int, num_classes: int, image_size: int, width: int | None) -> nn.Module:
    """Build LeNet-5 of 1998 for the catalogue; it has no width."""
    return LeNet5_1998(LeNetConfig(in_channels=in_channels, num_classes=num_classes, image_size=image_size))
