"""Leaks where the answer is a text or picture of its own: the same answer in training, and figures without leaks."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from capas.core.files import content_hash
from capas.data.inputs import Texts
from capas.data.pictures import Pictures
from capas.trust.groups_of_figures import figure_of
from capas.trust.leakage import Leak, exact_leaks, normalised
from capas.trust.own_figures import own_figures
from capas.trust.ratio_groups import ratio_groups
from capas.trust.subject import Case


def same_answers(case: Case, train: Int[Tensor, " N"], test: Int[Tensor, " M"]) -> tuple[Leak, ...]:
    """Test examples whose wanted text or picture is that of a training example too, exactly; positions of the record
    are given."""
    targets = case.source.targets
    if isinstance(targets, Texts):
        texts = targets.texts
        held = [[normalised(texts[case.indices[i]]) for i in part.tolist()] for part in (train, test)]
    elif isinstance(targets, Pictures):
        pictures = targets
        held = [
            [content_hash(pictures.decode(case.indices[i]).tobytes()) for i in part.tolist()] for part in (train, test)
        ]
    else:
        return ()
    return exact_leaks(*held)


def figure_without(
    case: Case, test: Int[Tensor, " M"], leaks: Sequence[Leak]
) -> tuple[str, Mapping[str, object]] | None:
    """The name of a figure, and the figure itself on what has not leaked; None where there is none."""
    own = own_figures(case)
    if own is None:
        return None
    leaked = {int(test[leak.test]) for leak in leaks}
    kept = torch.tensor([position not in leaked for position in own.positions])
    if not float(own.bottom[kept].sum()):
        return None
    (found,) = ratio_groups(own.top[kept], own.bottom[kept], [""] * int(kept.sum()), case.chance("leaks"))
    return own.name, figure_of(found, own)
