"""Adversarial attack on a single input of one's own model: what had to change, and by how much."""

from collections.abc import Callable

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.segmentation.predictor import SegmentationPredictor
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.engine.recipes.single_output.text.predictor import TextReader
from capas.trust.attacks.attack_result import AttackResult, perturbation_facts, perturbation_images
from capas.trust.attacks.classification_losses import cross_entropy
from capas.trust.attacks.fgsm_pgd import pgd, random_noise
from capas.trust.attacks.single_input_segmentation import SegmentationAttacker
from capas.trust.attacks.text_tabular_perturbations import greedy_attack, typo_perturbations
from capas.trust.subjects.image_inputs import UnitRangeImageModel, images_to_unit_range

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
    predictor, rng = model.predictor, torch.Generator().manual_seed(seed)
    one_class = isinstance(predictor, SingleOutputPredictor) and model.card.task == "classify"
    if not isinstance(predictor, SegmentationPredictor) and not one_class:
        raise _other_kind(model)
    if target is not None and target not in model.classes:
        known = ", ".join(model.classes[:20])
        raise CapasError("no_such_answer", where="--target", received=target, known=known)
    goal = None if target is None else model.classes.index(target)
    if isinstance(predictor, SegmentationPredictor):
        return SegmentationAttacker(predictor, eps=eps, target=goal, rng=rng).attack
    assert isinstance(predictor, SingleOutputPredictor)
    if not isinstance(predictor.reader, ImageReader | TextReader):
        raise _other_kind(model)
    return SingleOutputAttacker(predictor, predictor.reader, eps=eps, target=goal, rng=rng).attack


def _other_kind(model: Model) -> CapasError:
    received = f"{model.card.task} ({model.card.medium})"
    return CapasError("attack_other_kind", where=model.bundle.folder, received=received)


class SingleOutputAttacker:
    """Attacks a classifier of images or texts."""

    def __init__(
        self,
        predictor: SingleOutputPredictor[object],
        reader: ImageReader | TextReader,
        *,
        eps: float,
        target: int | None,
        rng: torch.Generator,
    ) -> None:
        self.predictor = predictor
        self.reader = reader
        self.eps = eps
        self.target = target
        self.rng = rng

    def attack(self, item: Item) -> AttackResult:
        """Attack one input. Raises CapasError when it cannot be read."""
        prepared = self.reader.preprocess(item)
        if isinstance(self.reader, ImageReader):
            return self._picture(self.reader, item.name, prepared)
        return self._text(item.name, str(prepared))

    def _picture(self, reader: ImageReader, name: str, prepared: object) -> AttackResult:
        x, forward = images_to_unit_range([prepared]), UnitRangeImageModel(reader)
        own = forward(x).argmax(1)
        goal = own if self.target is None else torch.full_like(own, self.target)
        adversarial = pgd(forward, x, goal, self.eps, steps=STEPS, step_size=self.eps / 10, generator=self.rng,
                      loss=cross_entropy if self.target is None else _towards)  # fmt: skip
        noisy = random_noise(x, self.eps, self.rng)
        before, after, noise = (self._answer(name, reader, forward, pictures) for pictures in (x, adversarial, noisy))
        return AttackResult(before=before, after=after, noise=noise, facts=perturbation_facts(x, adversarial),
                        files=perturbation_images(x, adversarial, self.eps))  # fmt: skip

    def _answer(self, name: str, reader: ImageReader, forward: UnitRangeImageModel, x: Tensor) -> Prediction:
        """Of what the network is given, not rounded to bytes."""
        with torch.no_grad():
            answers = self.predictor.output_head.activate(forward(x).float())
        return self.predictor.output_head.predictions([name], answers)[0]

    def _text(self, name: str, text: str) -> AttackResult:
        def probabilities(texts: list[object]) -> Tensor:
            with torch.no_grad():
                outputs: Tensor = self.reader.network(self.reader.collate(texts))
            return self.predictor.output_head.activate(outputs.float())

        own = int(probabilities([text])[0].argmax())

        def score(texts: object) -> Tensor:
            assert isinstance(texts, list)
            p = probabilities(texts)
            if self.target is not None:
                return p.max(1).values - p[:, self.target]
            others = p.clone()
            others[:, own] = -1
            return p[:, own] - others.max(1).values

        changes = typo_perturbations(text, self.rng)
        chosen = greedy_attack(changes, lambda texts: score(list(texts)), MAX_TYPOS) if changes.count else []
        adversarial = str(changes.apply(chosen))
        before, after = self.predictor.predict([name, name], [text, adversarial])
        words = [b for a, b in zip(text.split(), adversarial.split(), strict=True) if a != b]
        return AttackResult(before=before, after=after, noise=None, facts={"misspelt": words}, text=adversarial)


def _towards(logits: Tensor, y: Tensor) -> Tensor:
    """Greater the nearer the answer is to the target."""
    return -cross_entropy(logits, y)
