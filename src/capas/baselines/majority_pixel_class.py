"""TODO docstring."""

import torch
from jaxtyping import Integer
from torch import Tensor

from capas.metrics.segmentation import IGNORE_INDEX


def majority_pixel_class(masks: Integer[Tensor, "N H W"], num_classes: int, *, ignore_index: int = IGNORE_INDEX) -> int:
    """The baseline: the class that most known pixels of the training pictures are of; it answers this everywhere."""
    return int(torch.bincount(masks[masks != ignore_index].long(), minlength=num_classes).argmax())
