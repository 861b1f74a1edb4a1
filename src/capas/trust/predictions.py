"""Test predictions of a run, read back from ``predictions.csv``."""

import csv

from capas.core.errors import CapasError
from capas.core.inert_text import original_cell
from capas.engine.run import Run


def read_predictions(run: Run) -> list[dict[str, str]]:
    """Return one mapping from column to cell per test example. Raises CapasError ``run_damaged``."""
    try:
        with run.predictions.open(encoding="utf-8", newline="") as stream:
            return [{name: original_cell(cell or "") for name, cell in row.items()} for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CapasError("run_damaged", where=run.predictions, received=str(error)) from error


def read_correct(run: Run) -> dict[str, bool] | None:
    """Return whether each test example was classified correctly, by name; None where the output is not one class."""
    rows = read_predictions(run)
    if not rows or not {"example", "class", "prediction"} <= set(rows[0]):
        return None
    return {row["example"]: row["class"] == row["prediction"] for row in rows}
