"""The result of an attack on a single input."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from capas.data.image.io import encode_png
from capas.engine.recipe import Item, Prediction
from capas.trust.subjects.image_inputs import image_to_array

MASK_FOOLED = 0.5
ENLARGED = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class AttackResult:
    """The outcome of an attack on one input.

    Attributes:
        before: Prediction for the clean input.
        after: Prediction under attack.
        noise: Prediction under random noise of the same size; None where there is no such control.
        facts: What changed, for ``--json``.
        files: Files that show it, by suffix.
        text: The adversarial text, for text input.
        share: Of a segmentation mask, the share of pixels that changed class, or that reached the target class.
    """

    before: Prediction
    after: Prediction
    noise: Prediction | None
    facts: Mapping[str, object]
    files: Mapping[str, bytes] = field(default_factory=dict)
    text: str | None = None
    share: float | None = None

    @property
    def fooled(self) -> bool:
        """Whether the prediction changed; of a mask, whether half of its pixels did."""
        if self.share is not None:
            return self.share >= MASK_FOOLED
        return self.before.prediction != self.after.prediction

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas attack --json``."""
        return {
            "input": self.before.input,
            "fooled": self.fooled,
            "before": {"prediction": self.before.prediction, "probability": self.before.probability},
            "after": {"prediction": self.after.prediction, "probability": self.after.probability},
            "noise": None if self.noise is None else {"prediction": self.noise.prediction,
                                                      "probability": self.noise.probability},
            **self.facts,
        }  # fmt: skip


class Attacker(ABC):
    """An attack on one model."""

    @abstractmethod
    def attack(self, item: Item) -> AttackResult:
        """Attack one input. Raises CapasError when it cannot be read."""


def perturbation_facts(x: Float[Tensor, "1 C H W"], adversarial: Float[Tensor, "1 C H W"]) -> dict[str, object]:
    """Return the largest and the mean absolute change, and the share of values that changed."""
    difference = (adversarial - x).abs()
    return {
        "largest_change": round(float(difference.max()), 6),
        "mean_change": round(float(difference.mean()), 6),
        "changed_share": round(float((difference > 0).float().mean()), 6),
    }


def perturbation_images(
    x: Float[Tensor, "1 C H W"], adversarial: Float[Tensor, "1 C H W"], eps: float
) -> dict[str, bytes]:
    """Return PNG files of the adversarial image and of the perturbation, magnified up to ten times."""
    shown = 0.5 + (adversarial - x) * min(ENLARGED, 0.5 / max(1e-6, eps))
    return {
        ".attacked.png": encode_png(image_to_array(adversarial[0])),
        ".change.png": encode_png(image_to_array(shown[0])),
    }
