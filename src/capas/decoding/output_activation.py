"""Raw outputs of a model with one output per example as probabilities or numbers, and back.

Shapes: N examples, O classes, tags or numbers.
"""

from typing import Final

from torch import Tensor

from capas.core.spec import OutputKind

_MIN_PROBABILITY: Final = 1e-7


def activate_outputs(outputs: Tensor, kind: OutputKind) -> Tensor:
    """Return probabilities of logits (…, O); numbers stay as they are."""
    if kind == "numbers":
        return outputs
    return outputs.softmax(-1) if kind == "class" else outputs.sigmoid()


def outputs_of_activated(activated: Tensor, kind: OutputKind) -> Tensor:
    """Return logits (N, O) that ``activate_outputs`` turns into these probabilities; numbers stay as they are."""
    if kind == "numbers":
        return activated
    inside = activated.clamp(_MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return inside.log() if kind == "class" else inside.logit()
