"""Try to fool one's own model with one input: what had to change, and by how much."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from capas.core.errors import CapasError
from capas.engine.predict import Model
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.one_answer import OneAnswerModel
from capas.engine.recipes.pictures import PictureReader
from capas.engine.recipes.texts import TextReader
from capas.trust.adversarial import cross_entropy, pgd, random_noise
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.small_changes import greedy, misspellings

STEPS = 100
MOST_TYPOS = 5
ENLARGED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Attacked:
    """``before`` and ``after`` are the answers, ``noise`` that after noise of the same size by chance. ``facts`` say
    what changed; ``files`` show it, by ending."""

    before: Prediction
    after: Prediction
    noise: Prediction | None
    facts: Mapping[str, object]
    files: Mapping[str, bytes] = field(default_factory=dict)
    text: str | None = None

    @property
    def fooled(self) -> bool:
        """Whether the answer is another."""
        return self.before.prediction != self.after.prediction

    def as_json(self) -> dict[str, object]:
        """The form of ``capas attack --json``."""
        return {
            "input": self.before.input,
            "fooled": self.fooled,
            "before": {"prediction": self.before.prediction, "probability": self.before.probability},
            "after": {"prediction": self.after.prediction, "probability": self.after.probability},
            "noise": None if self.noise is None else {"prediction": self.noise.prediction,
                                                      "probability": self.noise.probability},
            **self.facts,
        }  # fmt: skip


class Attacker:
    """A classifier of pictures or texts under attack. Raises CapasError ``attack_other_kind`` for any other."""

    def __init__(self, model: Model, *, size: float, target: str | None, seed: int = 0) -> None:
        kinds = (PictureReader, TextReader)
        answering = model.answering
        if (
            not isinstance(answering, OneAnswerModel)
            or model.card.task != "classify"
            or not isinstance(answering.reader, kinds)
        ):
            received = f"{model.card.task} ({model.card.medium})"
            raise CapasError("attack_other_kind", where=model.bundle.folder, received=received)
        if target is not None and target not in model.classes:
            known = ", ".join(model.classes[:20])
            raise CapasError("no_such_answer", where="--target", received=target, known=known)
        self.answering = answering
        self.reader = answering.reader
        self.size = size
        self.target = None if target is None else model.classes.index(target)
        self.rng = torch.Generator().manual_seed(seed)

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
        difference = (changed - x).abs()
        shown = 0.5 + (changed - x) * min(ENLARGED, 0.5 / max(1e-6, self.size))
        return Attacked(
            before=before, after=after, noise=noise,
            facts={
                "largest_change": round(float(difference.max()), 6),
                "mean_change": round(float(difference.mean()), 6),
                "changed_share": round(float((difference > 0).float().mean()), 6),
            },
            files={".attacked.png": _png(as_array(changed[0])), ".change.png": _png(as_array(shown[0]))},
        )  # fmt: skip

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


def _png(picture: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
