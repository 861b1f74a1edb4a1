"""The report of an encoder: what can be asked of vectors is asked, and a collapse is a problem."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import capas
from capas.trust.report import make_report
from capas.trust.subjects.open_run import open_run
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.quality import quality_theme
from capas.trust.time_budget import Deadline


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("encoder"), np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for i in range(300):
        pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{i:03d}.png")
    settings = {"data.task": "embed", "train.epochs": 1, "network.width": 8, "execution.threads": 1}
    capas.train(folder / "pictures", out=folder / "run", report="none", settings=settings)
    return folder / "run"


def test_what_applies_is_asked_and_the_rest_says_why_not(run: Path) -> None:
    themes = {theme.name: theme for theme in make_report(str(run), "quick").themes}
    assert themes["quality"].status != "not_computed" and themes["ood"].status != "not_computed"
    assert themes["leakage"].status != "not_computed"
    for name in ("calibration", "explanations", "attacks", "labels"):
        assert themes[name].status == "not_computed" and themes[name].not_computed_because


def test_a_collapse_is_a_problem(run: Path) -> None:
    context, _ = open_run(str(run))
    collapse = {"effective_rank": 1.2, "dimensions": 64, "collapsed": True}
    for rank, found in ((collapse, ["collapsed"]), ({**collapse, "collapsed": False}, [])):
        measured = replace(context, metrics={**context.metrics, "collapse": rank})
        theme = quality_theme(ThemeContext(run_context=measured, subject=None, level="quick", deadline=Deadline()))
        problems = [finding for finding in theme.findings if finding.key == "collapsed"]
        assert [problem.key for problem in problems] == found
        assert all(problem.gravity == "problem" and "1.2" in problem.text for problem in problems)
