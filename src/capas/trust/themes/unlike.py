"""Does it notice what it does not know? How well inputs unlike the training data are told from the test examples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from capas.core.figures import decimal, figure_text, percent
from capas.core.messages import say
from capas.tasks.metrics import Rate
from capas.trust.asked import Asked
from capas.trust.blocks import Bar, Bars, Block, Gallery, Grid, Sentence, Shown
from capas.trust.detector import Detector, fit_scores, fit_scores_of_many
from capas.trust.guard import ManySense
from capas.trust.looked import Looked, LookedAtMany, Shows
from capas.trust.many import Many, Sensed
from capas.trust.strange import strange_inputs
from capas.trust.theme import Finding, Theme
from capas.trust.unusual import Combined, auroc, detection_rate_at, switched_off

LEAST_CALIBRATION = 40
PROBED = 500
SENSED, PROBED_MANY = 250, 60  # of a split, where inputs are asked one by one
POOR = 0.5
SHOWN = 6


def unlike(asked: Asked) -> Theme:
    """See the module. Leaves the detector in the bundle, where ``predict`` finds it."""
    subject = asked.subject
    if subject is None:
        return _of_many(asked, asked.many)
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
    names = subject.case.names(subject.test.positions)
    return _theme(Looked(subject, detector, names, subject.test.prepared), detector, tested, found, strange, off)


def _of_many(asked: Asked, many: Many | None) -> Theme:
    """The same of what the inputs of such a model look like: to an autoencoder, and in the network itself."""
    sense = None if many is None else many.answers.sense
    if many is None or sense is None:
        return Theme(name="unlike", not_computed_because=say("trust.many.no_likeness"))
    calibrated = many.positions("validation", SENSED)
    if len(calibrated) < LEAST_CALIBRATION:
        return Theme(
            name="unlike",
            not_computed_because=say("trust.unlike.too_few", n=len(calibrated), least=LEAST_CALIBRATION),
        )
    case, rng, done = asked.case, asked.case.chance("unlike"), 0
    learnt, tested = many.positions("train", SENSED), many.positions("test", SENSED)
    total = len(learnt) + len(calibrated) + len(tested)

    held: dict[int, object] = {}

    def sensed(positions: Sequence[int], *, keep: bool = False) -> list[Sensed]:
        nonlocal done
        found = []
        for position in positions:
            (prepared,) = many.prepared([position])
            found.append(sense.sensed(prepared))
            if keep:
                held[position] = prepared
            done += 1
            asked.progress(done, total + 1)
        return found

    detector = fit_scores_of_many(case, sensed(learnt), rng, redraw=asked.level != "quick")
    usual = detector.scores_of_many(sensed(calibrated))
    if not usual:
        return Theme(name="unlike", not_computed_because=say("trust.not_in_quick"))
    looked = sensed(tested, keep=True)
    prepared = [held[position] for position in tested]
    strange = {name: inputs for name, inputs in sense.strange(prepared[:PROBED_MANY], rng).items() if inputs}
    found = {name: detector.scores_of_many([sense.sensed(one) for one in inputs]) for name, inputs in strange.items()}
    off = switched_off(usual, found["noise"])
    kept = {name: scores for name, scores in usual.items() if name not in off}
    if not kept:
        return Theme(name="unlike", facts={"switched_off": list(off)}, findings=[_takes_noise()])
    detector = replace(detector, combined=Combined.fit(kept, false_alarms=detector.false_alarms))
    detector.save(case.run.bundle)
    shows = LookedAtMany(ManySense(detector, sense), [case.record.names[i] for i in tested], prepared)
    return _theme(shows, detector, detector.scores_of_many(looked), found, strange, off)


def _theme(
    shows: Shows,
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
        *_most_unusual(shows, detector, usual),
        *_heat(shows, strange),
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


def _most_unusual(shows: Shows, detector: Detector, usual: Tensor) -> list[Block]:
    """The test examples that it would refuse first."""
    order = usual.argsort(descending=True)[:SHOWN].tolist()
    captions = [shows.names[i] for i in order]
    shown = _shown(shows, [shows.prepared[i] for i in order], captions)
    title = say("trust.unlike.most_unusual")
    if shown:
        heated = any(one.heat is not None for one in shown)
        return [Gallery(title=title, pictures=shown, note=say("trust.unlike.heat_note") if heated else "")]
    return [Grid(title=title, heads=[""], rows=[[caption] for caption in captions])]


def _heat(shows: Shows, strange: Mapping[str, list[object]]) -> list[Block]:
    """One of each kind of strange input."""
    first = [inputs[0] for inputs in strange.values()]
    shown = _shown(shows, first, [say(f"trust.unlike.probes.{name}") for name in strange])
    return [Gallery(title=say("trust.unlike.probes_shown"), pictures=shown)] if shown else []


def _shown(shows: Shows, prepared: Sequence[object], captions: Sequence[str]) -> list[Shown]:
    found = [shows.shown(one, caption) for one, caption in zip(prepared, captions, strict=True)]
    return [one for one in found if one is not None]
