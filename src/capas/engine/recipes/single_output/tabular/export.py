"""The inputs of exported networks that take encoded rows of a table."""

import torch

from capas.bundle.export import ExportInput
from capas.data.tabular.preprocess import EncodedRows, TabularPreprocessing


def row_inputs(preparation: TabularPreprocessing) -> list[ExportInput]:
    """Return the inputs "numbers" (B, N) and "categories" (B, G) of an exported network."""
    example = random_rows(preparation)
    return [
        ExportInput(name="numbers", axes=("batch", example.numbers.shape[1]), example=example.numbers,
              values="(x - mean) / std of each number of each column that is no category, bounded to -6..6; NaN "
              "where it is missing; a date gives days since 1970, day of the year, day of the week (Monday is 0)"),
        ExportInput(name="categories", axes=("batch", example.categories.shape[1]), example=example.categories,
              values="for each column that is a category the place of the value in its list, 1 for the first; 0 "
              "where it is missing or not in the list"),
    ]  # fmt: skip


def random_rows(preparation: TabularPreprocessing, count: int = 16) -> EncodedRows:
    """Return ``count`` random rows, one number in ten missing."""
    rng = torch.Generator().manual_seed(0)
    numbers = torch.randn(count, preparation.numbers, generator=rng)
    numbers[torch.rand(numbers.shape, generator=rng) < 0.1] = torch.nan
    columns = [torch.randint(size, (count,), generator=rng) for size in preparation.categories]
    categories = torch.stack(columns, 1) if columns else torch.zeros(count, 0, dtype=torch.int64)
    return EncodedRows(numbers=numbers, categories=categories)
