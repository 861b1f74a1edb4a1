"""One small model with its standard report, for all who only read it."""

from pathlib import Path

import pytest

from capas.trust.report import TrustReport, make_report
from tests.harness import train_here
from tests.trust.bars import SMALL, made_pictures


@pytest.fixture(scope="session")
def bars_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars that lie or stand, learnt well. Copy it before changing anything in it."""
    folder = tmp_path_factory.mktemp("trust")
    data = made_pictures(folder / "data", 400, mark=False, content=True)
    return train_here(data, folder / "bars", {**SMALL, "train.epochs": 6})


@pytest.fixture(scope="session")
def bars_report(bars_run: Path) -> TrustReport:
    """Its report, which leaves a detector in the bundle."""
    return make_report(str(bars_run), "standard")
