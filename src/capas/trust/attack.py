"""Try to fool one's own model with one input: what had to change, and by how much."""

from collections.abc import Callable

import torch
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.mask_answers import MaskModel
from capas.engine.recipes.one_answer import OneAnswerModel
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.texts import TextReader
from capas.trust.adversarial import cross_entropy, pgd, random_noise
from capas.trust.attacked import Attacked, facts_of, files_of
from capas.trust.mask_attack import MaskAttacker
from capas.trust.pixels import Pixels, as_shares
from capas.trust.small_changes import greedy, misspellings

STEPS = 100
MOST_TYPOS = 5


def attacker_of(model: Model, *, size: float, target: str | None, seed: int = 0) -> Callable[[Item], Attacked]:
    """What attacks one input of ``model`` with changes of ``size`` at most, towards the class ``target`` if given.

    Raises CapasError ``attack_other_kind`` or ``no_such_answer``."""
    answering, rng = model.answering, torch.Generator().manual_seed(seed)
    one_class = isinstance(answering, OneAnswerModel) and model.card.task == "classify"
    if not isinstance(answering, MaskModel) and not one_class:
        raise _other_kind(model)
    if target is not None and target not in model.classes:
        known = ", ".join(model.classes[:20])
        raise CapasError("no_such_answer", where="--target", received=target, known=known)
    goal = None if target is None else model.classes.index(target)
    if isinstance(answering, MaskModel):
        return MaskAttacker(answering, size=size, target=goal, rng=rng).attack
    assert isinstance(answering, OneAnswerModel)
    if not isinstance(answering.reader, PictureReader | TextReader):
        raise _other_kind(model)
    return Attacker(answering, answering.reader, size=size, target=goal, rng=rng).attack


def _other_kind(model: Model) -> CapasError:
    received = f"{model.card.task} ({model.card.medium})"
    return CapasError("attack_other_kind", where=model.bundle.folder, received=received)


class Attacker:
    """A classifier of pictures or texts under attack."""

    def __init__(
        self,
        answering: OneAnswerModel[object],
        reader: PictureReader | TextReader,
        *,
        size: float,
        target: int | None,
        rng: torch.Generator,
    ) -> None:
        self.answering = answering
        self.reader = reader
        self.size = size
        self.target = target
        self.rng = rng

    def attack(self, item: Item) -> Attacked:
        """One input. Raises CapasError when it cannot be read."""
        prepared = self.reader.read(item)
        if isinstance(self.reader, PictureReader):
            return self._picture(self.reader, item.name, prepared)
        return self._text(item.name, str(prepared))

    def _picture(self, reader: PictureReader, name: str, prepared: object) -> Attacked:
        x, forward = as_shares([prepared]), Pixels(reader)
        own = forward(x).argmax(1)
        goal = own if self.target is None else torch.full_like(own, self.target)
        changed = pgd(forward, x, goal, self.size, steps=STEPS, step_size=self.size / 10, generator=self.rng,
                      loss=cross_entropy if self.target is None else _towards)  # fmt: skip
        noisy = random_noise(x, self.size, self.rng)
        before, after, noise = (self._answer(name, reader, forward, pictures) for pictures in (x, changed, noisy))
        return Attacked(before=before, after=after, noise=noise, facts=facts_of(x, changed),
                        files=files_of(x, changed, self.size))  # fmt: skip

    def _answer(self, name: str, reader: PictureReader, forward: Pixels, x: Tensor) -> Prediction:
        """Of what the network is given, not rounded to bytes."""
        with torch.no_grad():
            answers = self.answering.answers.activate(forward(x).float())
        return self.answering.answers.predictions([name], answers)[0]

    def _text(self, name: str, text: str) -> Attacked:
        def probabilities(texts: list[object]) -> Tensor:
            with torch.no_grad():
                outputs: Tensor = self.reader.network(self.reader.collate(texts))
            return self.answering.answers.activate(outputs.float())

        own = int(probabilities([text])[0].argmax())

        def score(texts: object) -> Tensor:
            assert isinstance(texts, list)
            p = probabilities(texts)
            if self.target is not None:
                return p.max(1).values - p[:, self.target]
            others = p.clone()
            others[:, own] = -1
            return p[:, own] - others.max(1).values

        changes = misspellings(text, self.rng)
        chosen = greedy(changes, lambda texts: score(list(texts)), MOST_TYPOS) if changes.count else []
        changed = str(changes.apply(chosen))
        before, after = self.answering.answer([name, name], [text, changed])
        words = [b for a, b in zip(text.split(), changed.split(), strict=True) if a != b]
        return Attacked(before=before, after=after, noise=None, facts={"misspelt": words}, text=changed)


def _towards(logits: Tensor, y: Tensor) -> Tensor:
    """Greater the nearer the answer is to the target."""
    return -cross_entropy(logits, y)
