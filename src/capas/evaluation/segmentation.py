"""Evaluation of segmentation from two folders of masks: intersection over union, its mean, and pixel accuracy.

Counting is that of ``capas.metrics.segmentation``; the classes are those that occur in the reference's masks. Pixels of
the ignored value in the reference do not count. A mask that the hypothesis lacks has no pixel correct.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.image.masks import IGNORE_INDEX, ClassMap, find_class_map, read_class_map, read_mask_values
from capas.evaluation.bootstrap import EvaluatedMetric, SystemMeasurements, from_sums, metrics_with_intervals
from capas.evaluation.results import Cell, DetailTable, EvaluationResult, Given, parse_options
from capas.evaluation.table_files import shortened
from capas.metrics.segmentation import pixel_confusions

SUFFIXES: Final = (".png", ".bmp", ".tif", ".tiff", ".gif")
_VOID: Final = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentationOptions:
    """``ignore``: the value of the reference's pixels that do not count; None is 255, or none in masks of 0 and 255."""

    ignore: Annotated[int, Field(ge=0, le=255)] | None = None


def score_segmentation(reference: Path, hypothesis: Path, given: Given) -> EvaluationResult:
    """Score the masks in ``hypothesis``.

    Raises:
        CapasError: Naming the file that does not fit; ``score_one_class``.
    """
    options = parse_options(SegmentationOptions, given, "segmentation")
    wanted, said = _masks(reference), _masks(hypothesis)
    if unknown := sorted(set(said) - set(wanted)):
        raise CapasError("score_unknown_id", where=said[unknown[0]], received=unknown[0], reference=str(reference))
    paths = list(wanted.values())
    meaning = read_class_map(find_class_map(reference, paths), paths)
    values = [value for value in meaning.values if value != options.ignore]
    if not values:
        raise CapasError("score_empty", where=reference)
    if len(values) < 2:
        raise CapasError("score_one_class", where=reference, received=meaning.names[values[0]])
    counts_NKK = torch.stack([_confusion(wanted[name], said.get(name), meaning, values) for name in wanted])
    if not bool(counts_NKK.any()):
        raise CapasError("score_empty", where=reference)
    classes = [meaning.names[value] for value in values]
    absent = [name for name in wanted if name not in said]
    lacks = (say("score.note_absent_wrong", n=len(absent), names=shortened(absent)),) if absent else ()
    measured = _measured(tuple(wanted), counts_NKK, classes)
    counts = {"pictures": len(wanted), "pixels": int(counts_NKK.sum()), "absent": len(absent)}
    headlines = SystemMeasurements(names=measured.names[:2], units=measured.units, sizes=measured.sizes,
                         of=lambda weights: measured.of(weights)[:, :2])  # fmt: skip
    return EvaluationResult(task="segmentation", measured=headlines, counts=counts, lacks=lacks,
                 tables=(_per_class(measured, counts_NKK, classes),))  # fmt: skip


def segmentation_inputs(reference: Path, given: Given) -> tuple[str, ...]:
    """Return the names of the masks."""
    parse_options(SegmentationOptions, given, "segmentation")
    return tuple(_masks(reference))


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise CapasError("score_no_folder", where=folder)
    found = sorted(path for path in folder.rglob("*") if path.suffix.casefold() in SUFFIXES and path.is_file())
    if not found:
        raise CapasError("score_empty", where=folder)
    return {path.relative_to(folder).as_posix(): path for path in found}


def _confusion(reference: Path, hypothesis: Path | None, meaning: ClassMap, values: Sequence[int]) -> Tensor:
    """(K + 1, K + 1): the last column is what is called no class of the reference; the last row is empty."""
    k = len(values)
    table = np.full(256, _VOID, dtype=np.int64)
    table[list(values)] = np.arange(k)
    true = table[read_mask_values(reference, meaning)]
    if hypothesis is None:
        called = np.full_like(true, k)
    else:
        said = read_mask_values(hypothesis, meaning)
        if set(values) == {0, 1} and int(said.max(initial=0)) == IGNORE_INDEX:
            said = np.where(said == IGNORE_INDEX, 1, said)  # the same two classes, saved as 0 and 255
        called = table[said]
        called[called == _VOID] = k
    if true.shape != called.shape:
        sizes = [f"{shape[1]}×{shape[0]}" for shape in (called.shape, true.shape)]
        raise CapasError("score_mask_size", where=hypothesis or reference, received=sizes[0], wanted=sizes[1])
    return pixel_confusions(torch.from_numpy(called)[None], torch.from_numpy(true)[None], k + 1, ignore_index=_VOID)[0]


def _measured(names: tuple[str, ...], counts_NKK: Tensor, classes: Sequence[str]) -> SystemMeasurements:
    k = len(classes)

    def figures(sums: Tensor) -> Tensor:
        confusion = sums.view(-1, k + 1, k + 1)
        hits = confusion.diagonal(dim1=1, dim2=2)[:, :k]
        iou = hits / (confusion.sum(1)[:, :k] + confusion.sum(2)[:, :k] - hits)
        accuracy = hits.sum(1) / confusion.sum(dim=(1, 2))
        return torch.cat([iou.nanmean(1, keepdim=True), accuracy[:, None], iou], dim=1)

    figures_named = ("mean_iou", "pixel_accuracy", *(f"iou {name}" for name in classes))
    flat = counts_NKK.double().flatten(1)
    return SystemMeasurements(names=figures_named, units=names, sizes=flat.sum(1), of=from_sums(flat, figures))


def _per_class(measured: SystemMeasurements, counts_NKK: Tensor, classes: Sequence[str]) -> DetailTable:
    found: dict[str, EvaluatedMetric] = {figure.name: figure for figure in metrics_with_intervals(measured)}
    pixels = counts_NKK.sum((0, 2)).tolist()
    rows: list[tuple[Cell, ...]] = [
        (name, pixels[i], found.get(f"iou {name}")) for i, name in enumerate(classes)
    ]  # fmt: skip
    columns = (("class", say("score.column_class")), ("pixels", say("score.column_pixels")), ("iou", "IoU"))
    return DetailTable(name="classes", title=say("score.by_class"), columns=columns, rows=tuple(rows))
