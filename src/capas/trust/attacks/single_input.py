"""Adversarial attack on a single input of one's own model: what had to change, and by how much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.inputs import InputReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.trust.attacks.attack_result import Attacker, AttackResult, perturbation_facts, perturbation_images
from capas.trust.attacks.classification_losses import cross_entropy
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.attacks.single_input_segmentation import SegmentationAttacker
from capas.trust.attacks.text_tabular_perturbations import greedy_attack, typo_perturbations
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range
from capas.trust.subjects.type_table import look_up, row

STEPS = 100
MAX_TYPOS = 5


def make_attacker(model: Model, *, eps: float, target: str | None, seed: int = 0) -> Callable[[Item], AttackResult]:
    """Return a function that attacks one input of ``model``.

    Args:
        model: The model under attack.
        eps: L∞ radius.
        target: Class of a targeted attack; None for an untargeted one.
        seed: Seed of the random numbers.

    Raises:
        CapasError: ``attack_other_kind`` or ``no_such_answer``.
    """
    known = target in model.classes
    goal, rng = model.classes.index(str(target)) if known else None, torch.Generator().manual_seed(seed)
    attacker = look_up(ATTACKERS, model.predictor, eps, goal, rng)
    if attacker is None:
        received = f"{model.card.task} ({model.card.medium})"
        raise CapasError("attack_other_kind", where=model.bundle.folder, received=received)
    if target is not None and not known:
        names = ", ".join(model.classes[:20])
        raise CapasError("no_such_answer", where="--target", received=target, known=names)
    return attacker.attack


@dataclass
class SingleOutputAttacker(Attacker):
    """Attacks a classifier, towards the class ``target``, or away from its prediction where that is None."""

    reader: InputReader[object]
    predictor: SingleOutputPredictor[object]
    eps: float
    target: int | None
    rng: torch.Generator


class ImageAttacker(SingleOutputAttacker):
    """Attacks a classifier of images, by PGD."""

    reader: ImageReader

    def attack(self, item: Item) -> AttackResult:
        x, forward = images_to_unit_range([self.reader.preprocess(item)]), UnitRangeImageModel(self.reader)
        own = forward(x).argmax(1)
        goal = own if self.target is None else torch.full_like(own, self.target)
        adversarial = pgd(forward, x, goal, self.eps, steps=STEPS, step_size=self.eps / 10, generator=self.rng,
                      loss=cross_entropy if self.target is None else _towards)  # fmt: skip
        noisy = random_noise(x, self.eps, self.rng)
        before, after, noise = (self._answer(item.name, forward, images) for images in (x, adversarial, noisy))
        return AttackResult(before=before, after=after, noise=noise, facts=perturbation_facts(x, adversarial),
                        files=perturbation_images(x, adversarial, self.eps))  # fmt: skip

    def _answer(self, name: str, forward: UnitRangeImageModel, x: Tensor) -> Prediction:
        """Of what the network is given, not rounded to bytes."""
        with torch.no_grad():
            answers = self.predictor.output_head.activate(forward(x).float())
        return self.predictor.output_head.predictions([name], answers)[0]


class TextAttacker(SingleOutputAttacker):
    """Attacks a classifier of texts, by at most five typos; ``eps`` is not used."""

    reader: TextReader

    @torch.no_grad()
    def _probabilities(self, texts: Sequence[object]) -> Tensor:
        outputs: Tensor = self.reader.network(self.reader.collate(texts))
        return self.predictor.output_head.activate(outputs.float())

    def attack(self, item: Item) -> AttackResult:
        text = self.reader.preprocess(item)
        own = int(self._probabilities([text])[0].argmax())

        def score(texts: Sequence[object]) -> Tensor:
            p = self._probabilities(texts)
            if self.target is not None:
                return p.max(1).values - p[:, self.target]
            others = p.clone()
            others[:, own] = -1
            return p[:, own] - others.max(1).values

        changes = typo_perturbations(text, self.rng)
        adversarial = str(changes.apply(greedy_attack(changes, score, MAX_TYPOS) if changes.count else []))
        before, after = self.predictor.predict([item.name] * 2, [text, adversarial])
        words = [b for a, b in zip(text.split(), adversarial.split(), strict=True) if a != b]
        return AttackResult(before=before, after=after, noise=None, facts={"misspelt": words}, text=adversarial)


def _towards(logits: Tensor, y: Tensor) -> Tensor:
    """Greater the nearer the answer is to the target."""
    return -cross_entropy(logits, y)


READER_ATTACKERS: Final = (row(ImageReader, ImageAttacker), row(TextReader, TextAttacker))


def _one_class_attacker(
    predictor: SingleOutputPredictor[object], eps: float, target: int | None, rng: torch.Generator
) -> SingleOutputAttacker | None:
    if predictor.spec.task != "classify":
        return None
    return look_up(READER_ATTACKERS, predictor.reader, predictor, eps, target, rng)


ATTACKERS: Final = (row(SegmentationPredictor, SegmentationAttacker), row(SingleOutputPredictor, _one_class_attacker))
