"""The CTC loss: Graves, Fernández, Gomez & Schmidhuber, "Connectionist Temporal Classification", ICML 2006, eq. 3.

Shapes: B lines, T frames, K labels, of which 0 is the blank, L labels of a line.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from capas.decoding.ctc import BLANK


def ctc_loss(
    log_probs_BTK: Float[Tensor, "B T K"],
    frames_B: Int[Tensor, " B"],
    labels_BL: Int[Tensor, "B L"],
    lengths_B: Int[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """Return −log P(labels) (B), in nats; infinite where a line has too few frames for its labels.

    ``labels_BL`` (1..K-1) is read up to ``lengths_B``, ``log_probs_BTK`` up to ``frames_B``.
    """
    return F.ctc_loss(log_probs_BTK.transpose(0, 1), labels_BL, frames_B, lengths_B, blank=BLANK, reduction="none")
