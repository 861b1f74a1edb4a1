"""The Square Attack: a gradient-free (black-box) attack by random search over squares of ±ε.

Andriushchenko, Croce, Flammarion & Hein, "Square Attack: a query-efficient black-box adversarial attack via random
search", ECCV 2020, Algorithms 1 and 2 (L∞): it starts with vertical stripes of ±ε; each query sets one square, whose
share p of the image shrinks by the published schedule (rescaled to the number of queries), to +ε or −ε per channel and
keeps it if the margin fell. Each example gets a position of its own, as in the paper and unlike AutoAttack's code.

It detects gradient masking: a network that resists gradient-based attacks, but not this one, only hides its gradients.
Inputs that are not images are taken as (1, T, F), or as one row.
"""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from capas.trust.attacks.classification_losses import margin
from capas.trust.attacks.fgsm_pgd import broadcast_per_example, check_inputs, project
from capas.trust.subjects.model_functions import ExampleLoss, ForwardFunction

FIRST_SHARE = 0.8
# Of 10,000 queries, those after which the share is halved.
HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def square_attack(
    forward: ForwardFunction,
    x: Float[Tensor, " B *shape"],
    y: Shaped[Tensor, " B *target"],
    eps: float,
    generator: torch.Generator,
    *,
    queries: int = 500,
    loss: ExampleLoss = margin,
) -> Float[Tensor, " B *shape"]:
    """Perturb ``x`` by at most ``eps`` (L∞) by random search.

    Args:
        forward: Maps inputs in 0..1 to logits.
        x: Inputs in 0..1.
        y: Targets, as ``loss`` takes them.
        eps: L∞ radius.
        generator: Source of randomness.
        queries: Forward passes per example at most; an example leaves as soon as it is misclassified.
        loss: Per-example loss, below zero where the prediction is correct.

    Raises:
        ValueError: Inputs outside 0..1 or ``eps`` below zero.
    """
    check_inputs(x, eps)
    if eps == 0:
        return x.clone()
    pictures = x.reshape(_picture_shape(x))
    best = project(
        pictures + eps * _signs((len(x), pictures.shape[1], 1, pictures.shape[3]), generator, x), pictures, eps
    )
    with torch.no_grad():
        least = -loss(forward(best.reshape(x.shape)), y)
        for query in range(1, queries):
            left = (least > 0).nonzero()[:, 0]
            if not len(left):
                break
            squares = _squares(best[left], _side(query / queries, best.shape), generator)
            tried = project(best[left] + 2 * eps * squares, pictures[left], eps)
            found = -loss(forward(tried.reshape(-1, *x.shape[1:])), y[left])
            better = found < least[left]
            best[left] = torch.where(broadcast_per_example(better, tried), tried, best[left])
            least[left] = torch.minimum(found, least[left])
    return best.reshape(x.shape)


def _picture_shape(x: Tensor) -> tuple[int, int, int, int]:
    match x.shape:
        case (n, channels, height, width):
            return n, channels, height, width
        case (n, height, width):
            return n, 1, height, width
        case _:
            return len(x), 1, 1, math.prod(x.shape[1:])


def _side(done: float, shape: torch.Size) -> tuple[int, int]:
    """Height and width of the square at the share ``done`` of the queries; of a single row, its part."""
    share = FIRST_SHARE / 2 ** sum(done * 10_000 > halving for halving in HALVINGS)
    height, width = shape[2:]
    if height == 1:
        return 1, max(1, round(share * width))
    side = max(1, round(math.sqrt(share * height * width)))
    return min(side, height), min(side, width)


def _squares(pictures: Tensor, side: tuple[int, int], generator: torch.Generator) -> Tensor:
    """(B, C, H, W): a sign per channel within one square per image, zero elsewhere."""
    n, channels, *size = pictures.shape
    inside = []
    for length, all_of_it in zip(side, size, strict=True):
        first = torch.randint(0, all_of_it - length + 1, (n, 1), generator=generator, device=generator.device)
        place = torch.arange(all_of_it, device=generator.device)
        inside.append((place >= first) & (place < first + length))
    square = (inside[0][:, None, :, None] & inside[1][:, None, None, :]).to(pictures)
    return square * _signs((n, channels, 1, 1), generator, pictures)


def _signs(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randint(0, 2, shape, generator=generator, device=generator.device).to(like) * 2 - 1
