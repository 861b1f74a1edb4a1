"""The report of an encoder: what can be asked of vectors is asked, and a collapse is a problem."""

import json
from pathlib import Path

import pytest

import capas
from capas.engine.run import find_run
from capas.trust.report import make_report


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "encoder"
    settings = {"data.task": "embed", "train.epochs": 1, "network.width": 8, "execution.threads": 1}
    capas.train("sample:shapes", out=folder, report="none", settings=settings)
    return folder


def test_what_applies_is_asked_and_the_rest_says_why_not(run: Path) -> None:
    themes = {theme.name: theme for theme in make_report(str(run), "quick").themes}
    assert themes["quality"].status != "not_computed" and themes["ood"].status != "not_computed"
    assert themes["leakage"].status != "not_computed"
    for name in ("calibration", "explanations", "attacks", "labels"):
        assert themes[name].status == "not_computed" and themes[name].not_computed_because
    assert not [f for f in themes["quality"].findings if f.key == "collapsed"]


def test_a_collapse_is_a_problem(run: Path) -> None:
    path = find_run(run).metrics
    figures = json.loads(path.read_text())
    figures["collapse"] |= {"effective_rank": 1.2, "collapsed": True}
    before = path.read_text()
    path.write_text(json.dumps(figures))
    try:
        report = make_report(str(run), "quick")
    finally:
        path.write_text(before)
    (found,) = [f for theme in report.themes for f in theme.findings if f.key == "collapsed"]
    assert found.gravity == "problem" and "1.2" in found.text
