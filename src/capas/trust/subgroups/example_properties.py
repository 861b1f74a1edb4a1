"""Plain properties of examples, by name: brightness, length, loudness, and the numbers of a table."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from capas.core.i18n import has, say
from capas.data.tabular.columns import NumberColumn
from capas.trust.subjects.single_output import ModelUnderTest, SplitOutputs

MAX_COLUMNS: Final = 40


def example_properties(subject: ModelUnderTest, part: SplitOutputs) -> dict[str, Float[Tensor, " N"]]:
    """Return the properties of the examples of a split, NaN where one is missing."""
    case = subject.run_context
    found = {_shown(name): values for name, values in subject.adapter.properties(part.prepared).items()}
    targets = {field.name for field in case.record.spec.targets}
    rows = torch.tensor([case.indices[i] for i in part.positions.tolist()], dtype=torch.long)
    columns = {**case.source.columns, **subject.adapter.columns_of(subject.inputs)}
    for name, cells in columns.items():
        if name not in targets and isinstance(cells, NumberColumn) and len(found) < MAX_COLUMNS:
            found[name] = torch.from_numpy(cells.values)[rows].float()
    return found


def _shown(name: str) -> str:
    return say(f"attributes.{name}") if has(f"attributes.{name}") else name
