"""Try to fool a model of masks with one picture: how many of its pixels are taken for another class, and whether the
attack can be believed."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.mask_answers import MaskModel, SeenPicture
from capas.trust.adversarial import pgd, random_noise
from capas.trust.attack_check import broken, self_check
from capas.trust.attacked import Attacked, facts_of, files_of, png
from capas.trust.many_masks import DensePixels
from capas.trust.pixel_attacks import EVERY_PIXEL, pixel_loss, pixels_right
from capas.trust.pixels import as_prepared, as_shares

STEPS, QUERIES = 40, 100


class MaskAttacker:
    """A model of a class for every pixel under attack, towards the class numbered ``target`` everywhere if it is given;
    otherwise away from its own answer."""

    def __init__(self, model: MaskModel, *, size: float, target: int | None, rng: torch.Generator) -> None:
        self.model = model
        self.forward = DensePixels(model)
        self.size = size
        self.target = target
        self.rng = rng

    def attack(self, item: Item) -> Attacked:
        """One picture; the attack is checked on it first. Raises CapasError when it cannot be read."""
        seen = self.model.read(item)
        x = as_shares([seen.prepared])
        with torch.no_grad():
            own = self.forward(x).argmax(1)
        check = self_check(
            self.forward, x, own, self.size, self.rng, kind=EVERY_PIXEL, steps=STEPS, queries=QUERIES
        )  # fmt: skip
        goal = own if self.target is None else torch.full_like(own, self.target)
        changed = pgd(self.forward, x, goal, self.size, steps=STEPS, step_size=4 * self.size / STEPS,
                      loss=check.loss if self.target is None else _towards)  # fmt: skip
        noisy = random_noise(x, self.size, self.rng)
        before, after, noise = (self._answer(item.name, seen, pictures) for pictures in (x, changed, noisy))
        share, by_noise = self._moved(changed, goal), self._moved(noisy, goal)
        assert after.picture is not None
        return Attacked(
            before=before, after=after, noise=noise, share=share,
            facts={
                **facts_of(x, changed),
                "changed_answer": round(share, 6), "changed_answer_by_noise": round(by_noise, 6),
                "self_check": [failure.value for failure in broken(check)],
            },
            files={**files_of(x, changed, self.size), ".answer.png": png(after.picture)},
        )  # fmt: skip

    @torch.no_grad()
    def _moved(self, pictures: Float[Tensor, "1 C H W"], goal: Int[Tensor, "1 H W"]) -> float:
        """The share of the pixels that are of another class than they were, or of the wanted one."""
        same = float(pixels_right(self.forward(pictures), goal))
        return 1 - same if self.target is None else same

    def _answer(self, name: str, seen: SeenPicture, x: Float[Tensor, "1 C H W"]) -> Prediction:
        """Of the picture as it would be saved, rounded to bytes."""
        (prepared,) = as_prepared(x)
        shown = SeenPicture(prepared=prepared, shown=seen.shown, height=seen.height, width=seen.width)
        return self.model.answer([name], [shown])[0]


def _towards(logits: Tensor, y: Tensor) -> Tensor:
    """Greater the nearer the answer is to the target."""
    return -pixel_loss(logits, y)
