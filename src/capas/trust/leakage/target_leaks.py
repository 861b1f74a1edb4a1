"""Leaks where the target is a text or image: the same target in training, and the test metric without leaks."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from capas.core.files import content_hash
from capas.data.collections import TextCollection
from capas.data.image.io import ImageCollection
from capas.trust.leakage.near_duplicate_texts import normalized_for_matching
from capas.trust.leakage.train_test_overlap import Leak, exact_train_test_duplicates
from capas.trust.subgroups.per_example_metrics import per_example_metric
from capas.trust.subgroups.subgroup_metrics import ratio_metric_json
from capas.trust.subgroups.subgroup_ratios import subgroup_ratios
from capas.trust.subjects.run_context import RunContext


def same_target_leaks(run_context: RunContext, train: Int[Tensor, " N"], test: Int[Tensor, " M"]) -> tuple[Leak, ...]:
    """Return the test examples whose target text or image equals that of a training example.

    ``train`` and ``test`` are positions in the record.
    """
    targets = run_context.source.targets
    if isinstance(targets, TextCollection):
        texts = targets.texts
        held = [
            [normalized_for_matching(texts[run_context.indices[i]]) for i in part.tolist()] for part in (train, test)
        ]
    elif isinstance(targets, ImageCollection):
        pictures = targets
        held = [
            [content_hash(pictures.decode(run_context.indices[i]).tobytes()) for i in part.tolist()]
            for part in (train, test)
        ]
    else:
        return ()
    return exact_train_test_duplicates(*held)


def metric_without_leaks(
    run_context: RunContext, test: Int[Tensor, " M"], leaks: Sequence[Leak]
) -> tuple[str, Mapping[str, object]] | None:
    """Return the name and value of a test metric on the examples that have not leaked; None where there is none."""
    own = per_example_metric(run_context)
    if own is None:
        return None
    leaked = {int(test[leak.test]) for leak in leaks}
    kept = torch.tensor([position not in leaked for position in own.positions])
    if not float(own.denominator[kept].sum()):
        return None
    (found,) = subgroup_ratios(
        own.numerator[kept], own.denominator[kept], [""] * int(kept.sum()), run_context.rng("leaks")
    )
    return own.name, ratio_metric_json(found, own)
