"""Does it notice what it does not know? How well inputs unlike the training data are told from the test examples."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text, percent
from capas.core.messages import say
from capas.tasks.metrics import Rate
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Gallery, Grid, Sentence, Shown
from capas.trust.detector import Detector, fit_scores
from capas.trust.pictured import picture_of
from capas.trust.strange import strange_inputs
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme
from capas.trust.unusual import Combined, auroc, detection_rate_at, switched_off

LEAST_CALIBRATION = 40
PROBED = 500
POOR = 0.5
SHOWN = 6


def unlike(asked: Asked) -> Theme:
    """See the module. Leaves the detector in the bundle, where ``predict`` finds it."""
    subject = asked.subject
    if subject is None:
        return Theme(name="unlike", not_computed_because=say("trust.unlike.other_kind"))
    if subject.validation is None or len(subject.validation) < LEAST_CALIBRATION:
        n = 0 if subject.validation is None else len(subject.validation)
        return Theme(name="unlike", not_computed_because=say("trust.unlike.too_few", n=n, least=LEAST_CALIBRATION))
    rng = subject.case.chance("unlike")
    detector = fit_scores(subject, rng, redraw=asked.level != "quick")
    usual = detector.scores(subject.reader, subject.validation.prepared, subject.validation)
    chosen = torch.randperm(len(subject.test), generator=rng)[:PROBED].tolist()
    strange = strange_inputs(subject, [subject.test.prepared[i] for i in chosen], rng)
    found = {name: detector.scores(subject.reader, inputs) for name, inputs in strange.items()}
    off = switched_off(usual, found["noise"])
    kept = {name: scores for name, scores in usual.items() if name not in off}
    if not kept:
        return Theme(name="unlike", facts={"switched_off": list(off)}, findings=[_takes_noise()])
    detector = replace(detector, combined=Combined.fit(kept, false_alarms=detector.false_alarms))
    detector.save(subject.case.run.bundle)
    tested = detector.scores(subject.reader, subject.test.prepared, subject.test)
    return _theme(subject, detector, tested, found, strange, off)


def _theme(
    subject: Subject,
    detector: Detector,
    tested: Mapping[str, Tensor],
    found: Mapping[str, Mapping[str, Tensor]],
    strange: Mapping[str, list[object]],
    off: tuple[str, ...],
) -> Theme:
    combined = detector.combined
    assert combined is not None
    usual = combined.score(tested)
    alarms = detection_rate_at(usual, combined.threshold)
    seen = {name: detection_rate_at(combined.score(scores), combined.threshold) for name, scores in found.items()}
    told = {name: auroc(usual, combined.score(scores)) for name, scores in found.items()}
    facts: dict[str, object] = {
        "scores": list(combined.names),
        "switched_off": list(off),
        "false_alarms_wanted": detector.false_alarms,
        "false_alarms": alarms.as_json(),
        "probes": {n: {"auroc": told[n].as_json(), "detected": seen[n].as_json()} for n in found},
        "each_score": {
            name: {p: auroc(values, found[p][name]).as_json() for p in found} for name, values in tested.items()
        },
    }
    blocks: list[Block] = [
        Sentence(text=say("trust.unlike.used", alarms=percent(detector.false_alarms, 0))),
        _bars(alarms, seen),
        _grid(tested, found, told, off),
        *_most_unusual(subject, detector, usual),
        *_heat(subject, detector, strange),
    ]
    if off:
        names = ", ".join(say(f"trust.unlike.scores.{name}") for name in off)
        blocks.insert(1, Sentence(text=say("trust.unlike.switched_off", names=names), tone="attention"))
    return Theme(
        name="unlike",
        facts=facts,
        blocks=blocks,
        findings=_findings(detector, alarms, seen),
        untested=[say("trust.unlike.untested")],
    )


def _takes_noise() -> Finding:
    return Finding(key="takes_noise_for_its_own", gravity="problem", text=say("trust.unlike.takes_noise"))


def _findings(detector: Detector, alarms: Rate, seen: Mapping[str, Rate]) -> list[Finding]:
    found = []
    if seen["noise"].interval[1] < POOR:
        found.append(_takes_noise())
    missed = [name for name, rate in seen.items() if name != "noise" and rate.interval[1] < POOR]
    if missed:
        names = ", ".join(say(f"trust.unlike.probes.{name}") for name in missed)
        found.append(
            Finding(key="misses_strange_inputs", gravity="attention", text=say("trust.unlike.misses", names=names))
        )
    if alarms.interval[0] > 2 * detector.false_alarms:
        text = say("trust.unlike.alarms", share=percent(alarms.value), wanted=percent(detector.false_alarms, 0))
        found.append(Finding(key="too_many_false_alarms", gravity="attention", text=text))
    return found


def _bars(alarms: Rate, seen: Mapping[str, Rate]) -> Bars:
    rows = [(say(f"trust.unlike.probes.{name}"), rate, True) for name, rate in seen.items()]
    rows.append((say("trust.unlike.usual"), alarms, False))
    bars = [
        Bar(
            label=label,
            value=rate.value,
            low=rate.interval[0],
            high=rate.interval[1],
            shown=figure_text(rate.as_json()),
            tone="plain" if strange else "attention",
        )
        for label, rate, strange in rows
    ]
    n = next(iter(seen.values())).n
    return Bars(title=say("trust.unlike.refused"), bars=bars, note=say("trust.unlike.refused_note", n=n, m=alarms.n))


def _grid(
    tested: Mapping[str, Tensor],
    found: Mapping[str, Mapping[str, Tensor]],
    told: Mapping[str, Rate],
    off: tuple[str, ...],
) -> Grid:
    heads = ["", *(say(f"trust.unlike.probes.{name}") for name in found)]
    rows = [
        [
            say(f"trust.unlike.scores.{name}") + (" ✗" if name in off else ""),
            *(decimal(100 * auroc(values, scores[name]).value, 1) for scores in found.values()),
        ]
        for name, values in tested.items()
    ]
    rows.append([say("trust.unlike.scores.combined"), *(decimal(100 * rate.value, 1) for rate in told.values())])
    return Grid(
        title=say("trust.unlike.auroc"),
        heads=heads,
        rows=rows,
        right=tuple(range(1, len(heads))),
        note=say("trust.unlike.auroc_note"),
    )


def _most_unusual(subject: Subject, detector: Detector, usual: Tensor) -> list[Block]:
    """The test examples that it would refuse first."""
    order = usual.argsort(descending=True)[:SHOWN].tolist()
    part, names = subject.test, subject.case.record.names
    captions = [names[int(part.positions[i])] for i in order]
    shown = _shown(subject, detector, [part.prepared[i] for i in order], captions)
    title = say("trust.unlike.most_unusual")
    if shown:
        return [
            Gallery(title=title, pictures=shown, note=say("trust.unlike.heat_note") if detector.reconstruction else "")
        ]
    return [Grid(title=title, heads=[""], rows=[[names[int(part.positions[i])]] for i in order])]


def _heat(subject: Subject, detector: Detector, strange: Mapping[str, list[object]]) -> list[Block]:
    """One of each kind of strange input."""
    first = [inputs[0] for inputs in strange.values()]
    shown = _shown(subject, detector, first, [say(f"trust.unlike.probes.{name}") for name in strange])
    return [Gallery(title=say("trust.unlike.probes_shown"), pictures=shown)] if shown else []


def _shown(subject: Subject, detector: Detector, prepared: list[object], captions: list[str]) -> list[Shown]:
    shown = []
    for one, caption in zip(prepared, captions, strict=True):
        picture, heat = picture_of(subject.reader, one), detector.heat(one)
        if picture is not None:
            shown.append(Shown(picture=picture, caption=caption, heat=None if heat is None else heat.numpy()))
    return shown
