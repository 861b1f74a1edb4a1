"""What the report shows of a model that compares pairs: ROC and DET curve, calibration, and errors by group.

All of it was measured by the one test and stands in ``metrics.json``; nothing is computed anew but the drawing.
"""

from collections.abc import Mapping
from typing import Final, cast

import numpy as np

from capas.core.i18n import say
from capas.core.number_format import format_metric, metric_value
from capas.trust.rendering.blocks import Block, Grid, Plot, PlotSeries, Sentence
from capas.trust.theme import Finding, Theme

LARGE_ERROR: Final = 0.05
LARGE_GAP: Final = 0.05
_ENDS: Final = 0.001  # the normal deviate of 0 and 1 is infinite


def compares_pairs(metrics: Mapping[str, object]) -> bool:
    """Return whether the metrics of a run are of pairs."""
    return "verification" in metrics


def curve_plots(metrics: Mapping[str, object]) -> list[Block]:
    """Return the ROC and the DET curve; nothing for other tasks."""
    if not compares_pairs(metrics):
        return []
    held = cast(Mapping[str, Mapping[str, list[float]]], metrics["verification"])["curve"]
    false_match, false_non_match = np.array(held["false_match"]), np.array(held["false_non_match"])
    figures = cast(Mapping[str, object], metrics["metrics"])
    note = say(
        "trust.pairs.roc_note", auc=format_metric(figures["auc"]), recognised=format_metric(figures["tar_at_far_1"])
    )
    name = say("trust.pairs.this_model")
    roc = Plot(
        title=say("trust.pairs.roc"), x=say("trust.pairs.false_match"), y=say("trust.pairs.true_match"),
        lines=[
            PlotSeries(name=name, xs=false_match.tolist(), ys=(1 - false_non_match).tolist()),
            PlotSeries(name=say("trust.plots.guessing"), xs=[0, 1], ys=[0, 1], dashed=True),
        ],
        description=note, note=note, percent_x=True,
    )  # fmt: skip
    across, up = (_deviates(values) for values in (false_match, false_non_match))
    low, high = min(across.min(), up.min()), max(across.max(), up.max())
    note = say("trust.pairs.det_note", eer=format_metric(figures["eer"]))
    det = Plot(
        title=say("trust.pairs.det"), x=say("trust.pairs.false_match_deviate"),
        y=say("trust.pairs.false_non_match_deviate"),
        lines=[
            PlotSeries(name=name, xs=across.tolist(), ys=up.tolist()),
            PlotSeries(name=say("trust.pairs.equal"), xs=[low, high], ys=[low, high], dashed=True),
        ],
        description=note, note=note, percent_y=False, from_zero=False,
    )  # fmt: skip
    return [roc, det]


def _deviates(shares: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from scipy.special import ndtri

    deviates: np.ndarray[tuple[int], np.dtype[np.float64]] = ndtri(np.clip(shares, _ENDS, 1 - _ENDS))
    return deviates


def pair_calibration_theme(metrics: Mapping[str, object]) -> Theme:
    """Return the theme of calibration for the probability that a pair is the same."""
    error = cast(Mapping[str, Mapping[str, object]], metrics["metrics"])["expected_calibration_error"]
    interval = cast(list[float], error.get("interval", [0.0, 1.0]))
    findings = []
    if interval[0] >= LARGE_ERROR:
        text = say("trust.pairs.miscalibrated", error=format_metric(error))
        findings.append(Finding(key="miscalibrated", gravity="attention", text=text))
    return Theme(
        name="calibration", facts={"expected_calibration_error": dict(error)},
        blocks=[Sentence(text=say("trust.pairs.calibration", error=format_metric(error)))], findings=findings,
        untested=[say("trust.calibration.untested")],
    )  # fmt: skip


def pair_groups_theme(metrics: Mapping[str, object]) -> Theme:
    """Return the theme of groups: both error rates among the pairs within each group."""
    columns = cast(Mapping[str, Mapping[str, Mapping[str, object]]], metrics.get("per_group", {}))
    if not columns:
        return Theme(name="groups", not_computed_because=say("trust.pairs.no_groups"))
    blocks: list[Block] = [Sentence(text=say("trust.pairs.groups"))]
    findings: list[Finding] = []
    few = 0
    for column, groups in columns.items():
        few += sum(bool(group["too_few"]) for group in groups.values())
        blocks.append(_grid(column, groups))
        findings += _gaps(column, {name: group for name, group in groups.items() if not group["too_few"]})
    return Theme(
        name="groups", facts={"columns": {name: dict(groups) for name, groups in columns.items()}}, blocks=blocks,
        findings=findings, untested=[say("trust.groups.untested")],
        partly_tested=[say("trust.pairs.too_few", n=few)] if few else [],
    )  # fmt: skip


def _grid(column: str, groups: Mapping[str, Mapping[str, object]]) -> Grid:
    rows = [
        [
            name,
            *("–" if group["too_few"] else format_metric(group[rate]) for rate in ("false_match", "false_non_match")),
            str(group["n_impostor"]), str(group["n_genuine"]), str(group["identities"]),
        ]
        for name, group in groups.items()
    ]  # fmt: skip
    heads = [say(f"trust.pairs.{head}")
             for head in ("group", "false_match", "false_non_match", "impostor", "genuine", "identities")]  # fmt: skip
    return Grid(title=column, heads=heads, rows=rows, right=(1, 2, 3, 4, 5))


def _gaps(column: str, groups: Mapping[str, Mapping[str, object]]) -> list[Finding]:
    """Rates that differ clearly: by 5 points or more, with intervals that do not touch."""
    findings = []
    for rate in ("false_match", "false_non_match"):
        told = {name: cast(Mapping[str, object], group[rate]) for name, group in groups.items()}
        known = {name: figure for name, figure in told.items() if "interval" in figure}
        if len(known) < 2:
            continue
        best, worst = (pick(known, key=lambda name: metric_value(known[name])) for pick in (min, max))
        apart = cast(list[float], known[worst]["interval"])[0] > cast(list[float], known[best]["interval"])[1]
        if apart and metric_value(known[worst]) - metric_value(known[best]) >= LARGE_GAP:
            text = say(
                "trust.pairs.gap", column=column, rate=say(f"trust.pairs.{rate}"), worst=worst, best=best,
                high=format_metric(known[worst]), low=format_metric(known[best]),
            )  # fmt: skip
            findings.append(Finding(key="group_gap", gravity="attention", text=text))
    return findings
