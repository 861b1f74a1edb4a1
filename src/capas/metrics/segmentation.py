"""Segmentation metrics: intersection over union (IoU), its mean, and pixel accuracy.

IoU of a class: pixels that are of it and predicted so, by pixels that are of it or predicted so, over all images
together (Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010, section 4.2). The intervals are
bootstrapped over images (Efron 1979): pixels of one image are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from capas.metrics.bootstrap import percentile_interval
from capas.metrics.rate import Rate

IGNORE_INDEX = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentationMetrics:
    """The metrics on one set of images; ``n`` of each is the number of images.

    Attributes:
        mean_iou: Mean of the IoU of the classes that have one.
        pixel_accuracy: Share of labelled pixels with the correct class.
        iou: IoU by class name; None where no pixel is of this class or predicted so.
        recall: Recall by class; None where no pixel is of it.
        precision: Precision by class; None where no pixel is predicted so.
    """

    mean_iou: Rate
    pixel_accuracy: Rate
    iou: tuple[tuple[str, Rate | None], ...]
    recall: tuple[Rate | None, ...]
    precision: tuple[Rate | None, ...]

    def metrics_json(self) -> dict[str, object]:
        """Return the metrics of the whole set."""
        return {"mean_iou": self.mean_iou.as_json(), "pixel_accuracy": self.pixel_accuracy.as_json()}

    def per_class_json(self) -> dict[str, object]:
        """Return recall, precision (0 where nothing is predicted) and IoU of every class that occurs."""
        none = Rate(value=0.0, n=self.mean_iou.n, interval=(0.0, 1.0))
        return {
            name: {
                "recall": recall.as_json(),
                "precision": (precision or none).as_json(),
                "iou": iou.as_json(),
            }
            for (name, iou), recall, precision in zip(self.iou, self.recall, self.precision, strict=True)
            if iou is not None and recall is not None
        }


def pixel_confusions(
    predicted: Integer[Tensor, "N H W"],
    masks: Integer[Tensor, "N H W"],
    num_classes: int,
    *,
    ignore_index: int = IGNORE_INDEX,
) -> Int[Tensor, "N K K"]:
    """Return the confusion matrix of each image: target class (row), predicted class (column); void pixels are left
    out.

    Images of other sizes are counted apart and joined with ``torch.cat``.

    Raises:
        ValueError: A class is not in 0..K-1.
    """
    known = masks != ignore_index
    kept = masks[known].long()
    if kept.numel() and not 0 <= int(kept.min()) <= int(kept.max()) < num_classes:
        raise ValueError(
            f"masks hold {int(kept.min())}..{int(kept.max())}; expected 0..{num_classes - 1} or {ignore_index}"
        )
    picture = torch.arange(len(masks), device=masks.device)[:, None, None].expand(masks.shape)[known]
    cell = (picture * num_classes + kept) * num_classes + predicted[known].long()
    return torch.bincount(cell, minlength=len(masks) * num_classes**2).view(-1, num_classes, num_classes)


def segmentation_metrics(
    confusions: Int[Tensor, "N K K"], classes: Sequence[str], *, seed: int = 0, draws: int = 1000
) -> SegmentationMetrics:
    """Return the metrics from ``pixel_confusions`` of N ≥ 1 images; intervals from ``draws`` bootstrap draws."""
    n, k, _ = confusions.shape
    if n == 0 or k != len(classes) or not confusions.any():
        raise ValueError(f"{n} pictures, {k} classes against {len(classes)} names; expected known pixels")
    generator = torch.Generator().manual_seed(seed)
    flat = confusions.double().cpu().flatten(1)
    drawn = torch.randint(n, (draws, n), generator=generator)
    times = torch.zeros(draws, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(draws, n, dtype=torch.float64))
    whole, drawings = flat.sum(0).view(1, k, k), (times @ flat).view(draws, k, k)
    (iou, accuracy), (iou_drawn, accuracy_drawn) = _figures(whole), _figures(drawings)
    recall, precision = (
        _by_class(_shares(whole, side)[0], _shares(drawings, side), n) for side in (2, 1)
    )  # fmt: skip
    return SegmentationMetrics(
        mean_iou=_with_interval(iou[0].nanmean(), iou_drawn.nanmean(1), n),
        pixel_accuracy=_with_interval(accuracy[0], accuracy_drawn, n),
        iou=tuple(zip(classes, _by_class(iou[0], iou_drawn, n), strict=True)),
        recall=recall,
        precision=precision,
    )


def _figures(confusion: Float[Tensor, "R K K"]) -> tuple[Float[Tensor, "R K"], Float[Tensor, " R"]]:
    hits = confusion.diagonal(dim1=1, dim2=2)
    union = confusion.sum(1) + confusion.sum(2) - hits
    return hits / union, hits.sum(1) / confusion.sum(dim=(1, 2))


def _shares(confusion: Float[Tensor, "R K K"], side: int) -> Float[Tensor, "R K"]:
    return confusion.diagonal(dim1=1, dim2=2) / confusion.sum(side)


def _by_class(values: Float[Tensor, " K"], drawn: Float[Tensor, "R K"], n: int) -> tuple[Rate | None, ...]:
    return tuple(
        None if value.isnan() else _with_interval(value, column, n)
        for value, column in zip(values, drawn.T, strict=True)
    )


def _with_interval(value: Tensor, drawn: Tensor, n: int) -> Rate:
    # A rare class may be absent from a draw: then there is no figure in it.
    return Rate(value=float(value), n=n, interval=percentile_interval(drawn, n))
