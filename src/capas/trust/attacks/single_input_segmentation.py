"""Adversarial attack of a segmentation model on a single image, with the sanity checks of the attack on it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from capas.data.image.io import encode_png
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.segmentation.predictor import SegmentationInput, SegmentationPredictor
from capas.trust.attacks.attack_result import Attacker, AttackResult, perturbation_facts, perturbation_images
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.attacks.sanity_checks import invalidating_failures, run_sanity_checks
from capas.trust.attacks.segmentation_losses import PER_PIXEL_TASK, pixel_accuracy, pixel_loss
from capas.trust.subjects.image_inputs import images_to_uint8, images_to_unit_range
from capas.trust.subjects.segmentation import UnitRangeSegmentationModel

STEPS, QUERIES = 40, 100


class SegmentationAttacker(Attacker):
    """Attacks a segmentation model, towards the class ``target`` in every pixel, or away from its prediction."""

    def __init__(self, model: SegmentationPredictor, eps: float, target: int | None, rng: torch.Generator) -> None:
        self.model = model
        self.forward = UnitRangeSegmentationModel(model)
        self.eps = eps
        self.target = target
        self.rng = rng

    def attack(self, item: Item) -> AttackResult:
        """Attack one image, after the sanity checks on it. Raises CapasError when it cannot be read."""
        seen_image = self.model.preprocess(item)
        x = images_to_unit_range([seen_image.prepared])
        with torch.no_grad():
            own = self.forward(x).argmax(1)
        check = run_sanity_checks(
            self.forward, x, own, self.eps, self.rng, task_spec=PER_PIXEL_TASK, steps=STEPS, queries=QUERIES
        )  # fmt: skip
        goal = own if self.target is None else torch.full_like(own, self.target)
        adversarial = pgd(self.forward, x, goal, self.eps, steps=STEPS, step_size=4 * self.eps / STEPS,
                      loss=check.loss if self.target is None else _towards)  # fmt: skip
        noisy = random_noise(x, self.eps, self.rng)
        before, after, noise = (self._answer(item.name, seen_image, pictures) for pictures in (x, adversarial, noisy))
        share, by_noise = self._moved(adversarial, goal), self._moved(noisy, goal)
        assert after.picture is not None
        return AttackResult(
            before=before, after=after, noise=noise, share=share,
            facts={
                **perturbation_facts(x, adversarial),
                "changed_answer": round(share, 6), "changed_answer_by_noise": round(by_noise, 6),
                "self_check": [failure.value for failure in invalidating_failures(check)],
            },
            files={**perturbation_images(x, adversarial, self.eps), ".answer.png": encode_png(after.picture)},
        )  # fmt: skip

    @torch.no_grad()
    def _moved(self, pictures: Float[Tensor, "1 C H W"], goal: Int[Tensor, "1 H W"]) -> float:
        """The share of the pixels that are of another class than they were, or of the wanted one."""
        same = float(pixel_accuracy(self.forward(pictures), goal))
        return 1 - same if self.target is None else same

    def _answer(self, name: str, seen_image: SegmentationInput, x: Float[Tensor, "1 C H W"]) -> Prediction:
        """Of the image as it would be saved, rounded to bytes."""
        (prepared,) = images_to_uint8(x)
        shown = SegmentationInput(
            prepared=prepared, display_image=seen_image.display_image, height=seen_image.height, width=seen_image.width
        )
        return self.model.predict([name], [shown])[0]


def _towards(logits: Tensor, y: Tensor) -> Tensor:
    """Greater the nearer the answer is to the target."""
    return -pixel_loss(logits, y)
