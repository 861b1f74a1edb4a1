"""What a run answered in its one test, read back from ``predictions.csv``."""

import csv

from capas.core.errors import CapasError
from capas.engine.run import Run


def read_predictions(run: Run) -> list[dict[str, str]]:
    """A mapping of head to cell per test example. Raises CapasError ``run_damaged``."""
    try:
        with run.predictions.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CapasError("run_damaged", where=run.predictions, received=str(error)) from error


def read_correct(run: Run) -> dict[str, bool] | None:
    """Whether the class of each test example was found, by name; None where the answer is not one class."""
    rows = read_predictions(run)
    if not rows or not {"example", "class", "prediction"} <= set(rows[0]):
        return None
    return {row["example"]: row["class"] == row["prediction"] for row in rows}
