"""Adds results to the board: of a run's own test, and of a test on other data."""

from capas.bundle.card import read_card
from capas.core.errors import CapasError
from capas.engine.dataset_record import read_dataset_record
from capas.engine.run import Run, find_run, read_metrics
from capas.leaderboard.entry import OTHER, UNSEEN, entries_of
from capas.leaderboard.store import Board


def file_run(run: Run, board: Board | None = None) -> int:
    """Add the metrics of the run's own test; return how many entries are new. Raises CapasError."""
    metrics = read_metrics(run)["metrics"]
    card, record = read_card(run.bundle / "card.json"), read_dataset_record(run)
    assert isinstance(metrics, dict)
    entries = entries_of(card, metrics, data=card.data.source, data_hash=record.digest("test"), split="test",
                         protocol=UNSEEN, where=run.bundle)  # fmt: skip
    return (board or Board()).add(entries)


def file_test(where: str, data: str, data_hash: str, metrics: dict[str, object], board: Board | None = None) -> int:
    """Add the metrics of a test on other data; return how many entries are new. Raises CapasError."""
    run = find_run(where)
    card = read_card(run.bundle / "card.json")
    name = data if data.startswith("sample:") else data.rstrip("/").rsplit("/", 1)[-1]
    entries = entries_of(card, metrics, data=name, data_hash=data_hash, split="all", protocol=OTHER,
                         where=run.bundle)  # fmt: skip
    return (board or Board()).add(entries)


def file_run_if_possible(run: Run) -> CapasError | None:
    """Add the metrics of a run, or return the error: no training is lost over a board."""
    try:
        file_run(run)
    except CapasError as error:
        return error
    return None
