"""Pictures or sounds with the cells of their rows as the inputs of a model under test.

What is asked of the picture or sound is asked with its row's own cells held fixed, and what is asked of the cells with
its own picture or sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from capas.core.i18n import say
from capas.data.collections import ExampleCollection, FilesWithColumns
from capas.data.tabular.columns import Cell, TableColumn
from capas.data.tabular.preprocess import EncodedRows
from capas.engine.recipe import Item
from capas.engine.recipes.single_output.columns_beside.predictor import PreparedWithColumns, ReaderWithColumns
from capas.engine.recipes.single_output.tabular.predictor import TabularReader
from capas.trust.columns_beside.held_columns import contents_of
from capas.trust.explanations.feature_ablation import AblationFeatures, baseline_cells, column_features
from capas.trust.subjects.image_inputs import images_to_unit_range, prepared_image
from capas.trust.subjects.input_adapter import InputAdapter
from capas.trust.subjects.tabular_inputs import TabularInputAdapter

COLUMN: Final = "column "  # before the names of measures that are columns
POOLED_SIDE: Final = 12
PARTS: Final = (
    "top_left", "top_middle", "top_right", "middle_left", "middle_middle", "middle_right", "bottom_left",
    "bottom_middle", "bottom_right",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredWithColumns:
    """An input as the two adapters measure it: the content, and the row as it was given or encoded."""

    content: object
    row: object


class ColumnsBesideAdapter(InputAdapter):
    """``InputAdapter`` of pictures or sounds with columns; ``images`` and ``audio`` are None, for a batch of pictures
    alone has no answer.

    Args:
        reader: The input side of the model.
        content: The adapter of its pictures or sounds.
    """

    reader: ReaderWithColumns
    content: InputAdapter

    def __init__(self, reader: ReaderWithColumns, content: InputAdapter) -> None:
        self.reader = reader
        self.content = content
        self.columns = TabularInputAdapter(TabularReader(nn.Identity(), reader.preparation))
        self.is_expensive, self.is_large = content.is_expensive, content.is_large

    def ood_probes(self, prepared: Sequence[object], rng: torch.Generator) -> Mapping[str, Sequence[object]]:
        """Return the probes of the content beside its own cells, then all numbers far off beside its own content."""
        contents = self.content.ood_probes(contents_of(prepared), rng)
        probes = {name: _with_contents(prepared, probe) for name, probe in contents.items()}
        far_off = self.columns.ood_probes(_rows(prepared), rng)["far_off"]
        rows = [
            replace(cast(PreparedWithColumns, one), row=cast(EncodedRows, row))
            for one, row in zip(prepared, far_off, strict=True)
        ]
        return {**probes, "far_off": rows}

    def linear_features(self, prepared: Sequence[object], num_classes: int) -> Float[Tensor, "N D"]:
        """Return small pictures, or what the content's adapter returns of sounds, with the encoded cells."""
        contents = contents_of(prepared)
        if self.content.images is None:
            features = self.content.linear_features(contents, num_classes)
        else:
            images = (images_to_unit_range([one]) for one in contents)
            pool = torch.nn.functional.adaptive_avg_pool2d
            features = torch.cat([pool(image, POOLED_SIDE).flatten(1) for image in images])
        return torch.cat([features, self.columns.linear_features(_rows(prepared), num_classes)], 1)

    def properties(self, prepared: Sequence[object]) -> Mapping[str, Float[Tensor, " N"]]:
        return self.content.properties(contents_of(prepared))

    def measured_input(self, item: Item, prepared: object) -> object:
        """Return the row as it was given; one that was not given counts as usual, and is said of the answer."""
        held = cast(PreparedWithColumns, prepared)
        row = cast(Mapping[str, Cell], item.content) if isinstance(item.content, Mapping) else {}
        typical = baseline_cells(self.reader.preparation)
        content = self.content.measured_input(item, held.content)
        return MeasuredWithColumns(content=content, row=typical if held.lacks_columns else row)

    def measured_example(self, inputs: ExampleCollection, index: int, prepared: object) -> object:
        assert isinstance(inputs, FilesWithColumns)
        content = self.content.measured_example(inputs.files, index, cast(PreparedWithColumns, prepared).content)
        return MeasuredWithColumns(content=content, row=inputs.rows.row(index))

    def measures(self, measured: Sequence[object], state: Mapping[str, Tensor]) -> Mapping[str, Float[Tensor, " N"]]:
        found = dict(self.content.measures(contents_of(measured), state))
        columns = self.columns.measures(_rows(measured), state)
        return found | {f"{COLUMN}{name}": values for name, values in columns.items()}

    def fit_measures(
        self, measured: Sequence[object]
    ) -> tuple[Mapping[str, Float[Tensor, " N"]], Mapping[str, Tensor]]:
        found, state = self.content.fit_measures(contents_of(measured))
        columns, _ = self.columns.fit_measures(_rows(measured))
        return {**found, **{f"{COLUMN}{name}": values for name, values in columns.items()}}, state

    def measure_label(self, name: str) -> str:
        if name.startswith(COLUMN):
            return self.columns.measure_label(name.removeprefix(COLUMN))
        return self.content.measure_label(name)

    def measured_value(self, measured: object, name: str, value: float) -> str:
        held = cast(MeasuredWithColumns, measured)
        if name.startswith(COLUMN):
            return self.columns.measured_value(held.row, name.removeprefix(COLUMN), value)
        return self.content.measured_value(held.content, name, value)

    def is_category(self, name: str) -> bool:
        return name.startswith(COLUMN) and self.columns.is_category(name.removeprefix(COLUMN))

    def file_facts(self, inputs: ExampleCollection, rows: Sequence[int]) -> Mapping[str, Sequence[str]]:
        assert isinstance(inputs, FilesWithColumns)
        return self.content.file_facts(inputs.files, rows)

    def columns_of(self, inputs: ExampleCollection) -> Mapping[str, TableColumn]:
        assert isinstance(inputs, FilesWithColumns)
        return inputs.rows.columns

    def neighbour_features(self, inputs: ExampleCollection, rows: Sequence[int], without: str) -> Float[Tensor, "N D"]:
        assert isinstance(inputs, FilesWithColumns)
        sides = (
            self.content.neighbour_features(inputs.files, rows, without),
            self.columns.neighbour_features(inputs.rows, rows, without),
        )
        return torch.cat(sides, 1)

    def display_image(self, prepared: object) -> NDArray[np.uint8] | None:
        return self.content.display_image(cast(PreparedWithColumns, prepared).content)

    def item_ablation_features(self, item: Item, prepared: object) -> AblationFeatures | None:
        row = cast(Mapping[str, Cell], item.content) if isinstance(item.content, Mapping) else {}
        return self._parts(cast(PreparedWithColumns, prepared), row)

    def example_ablation_features(self, inputs: ExampleCollection, index: int) -> AblationFeatures | None:
        assert isinstance(inputs, FilesWithColumns)
        return self._parts(self.reader.preprocess_example(inputs, index), inputs.rows.row(index))

    def _parts(self, prepared: PreparedWithColumns, row: Mapping[str, Cell]) -> AblationFeatures | None:
        """The parts of the content, and the columns where they were given."""
        if self.content.images is None:
            content = self.content.ablation_features(prepared.content)
        else:
            content = picture_features(prepared_image(prepared.content))
        if content is None:
            return None
        keep_content = content.keep
        if prepared.lacks_columns:
            return replace(content, keep=lambda mask: replace(prepared, content=keep_content(mask)))
        columns = column_features(self.columns.reader, row, baseline_cells(self.reader.preparation))
        first = len(content.names)

        def keep(kept_mask: Bool[Tensor, " P"]) -> object:
            cells = cast(EncodedRows, columns.keep(kept_mask[first:]))
            return replace(prepared, content=keep_content(kept_mask[:first]), row=cells)

        return AblationFeatures(names=[*content.names, *columns.names], keep=keep)


def picture_features(picture: Tensor) -> AblationFeatures:
    """Return the nine parts of a picture, uint8 (C, H, W), as features; one left out shows its mean colour."""
    height, width = picture.shape[1:]
    mean = picture.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    rows, columns = (torch.arange(size) * 3 // size for size in (height, width))
    part_of = 3 * rows[:, None] + columns
    names = [say("trust.beside.part", where=say(f"trust.zones.where.{where}")) for where in PARTS]

    def keep(kept_mask: Bool[Tensor, " P"]) -> Tensor:
        return torch.where(kept_mask[part_of], picture, mean)

    return AblationFeatures(names=names, keep=keep)


def _rows(held: Sequence[object]) -> list[object]:
    return [cast(MeasuredWithColumns | PreparedWithColumns, one).row for one in held]


def _with_contents(prepared: Sequence[object], contents: Sequence[object]) -> list[object]:
    both = zip(prepared, contents, strict=True)
    return [replace(cast(PreparedWithColumns, one), content=content) for one, content in both]
