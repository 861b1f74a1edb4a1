"""Trivial baseline of segmentation: the most frequent class in every pixel."""

import torch
from jaxtyping import Integer
from torch import Tensor

from capas.metrics.segmentation import IGNORE_INDEX


def majority_pixel_class(masks: Integer[Tensor, "N H W"], num_classes: int, *, ignore_index: int = IGNORE_INDEX) -> int:
    """Return the class of most labelled pixels of the training images."""
    return int(torch.bincount(masks[masks != ignore_index].long(), minlength=num_classes).argmax())
