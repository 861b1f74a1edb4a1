"""Theme of out-of-distribution detection: how well synthetic OOD inputs are told from the test examples."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.metrics.rate import Rate
from capas.trust.ood.detection_metrics import auroc, detection_rate_at
from capas.trust.ood.detector import OODDetector, fit_detector, fit_structured_detector
from capas.trust.ood.gallery import GalleryExamples
from capas.trust.ood.selective_prediction import SingleOutputOODScorer, StructuredOODScorer
from capas.trust.ood.threshold import uninformative_scores
from capas.trust.rendering.blocks import Bar, Bars, Block, CaptionedImage, Grid, ImageGallery, Sentence
from capas.trust.subjects.single_output import ModelUnderTest, SplitOutputs
from capas.trust.subjects.structured import OODFeatures, StructuredModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext, hardly_tested

MIN_CALIBRATION = 40
PROBED = 500
MAX_EXTRACTED, PROBED_MANY = 250, 60  # of a split, where inputs are asked one by one
POOR = 0.5
SHOWN = 6


def ood_theme(context: ThemeContext) -> Theme:
    """Return the theme of OOD detection, and leave the detector in the bundle, where ``predict`` finds it."""
    subject = context.subject
    if subject is None:
        return _of_many(context, context.structured)
    if subject.validation is None or len(subject.validation) < MIN_CALIBRATION:
        n = 0 if subject.validation is None else len(subject.validation)
        return Theme(name="ood", not_computed_because=say("trust.unlike.too_few", n=n, least=MIN_CALIBRATION))
    rng = subject.run_context.rng("unlike")
    detector = fit_detector(subject, rng, with_autoencoder=context.level != "quick")
    usual = _scores(subject, detector, subject.validation)
    chosen = torch.randperm(len(subject.test), generator=rng)[:PROBED].tolist()
    probes = subject.adapter.ood_probes([subject.test.prepared[i] for i in chosen], rng)
    found = {name: detector.scores(subject.adapter, inputs) for name, inputs in probes.items()}
    off = uninformative_scores(usual, found[next(iter(found))])
    kept = {name: scores for name, scores in usual.items() if name not in off}
    if not kept:
        return Theme(name="ood", facts={"switched_off": list(off)}, findings=[_takes_noise(next(iter(found)))])
    detector = detector.fitted(kept)
    detector.save(subject.run_context.run.bundle)
    tested = _scores(subject, detector, subject.test)
    asked = [subject.test.prepared[i] for i in chosen]
    untellable = [name for name, inputs in probes.items() if not subject.adapter.can_be_told(asked, inputs, rng)]
    names = subject.run_context.example_names(subject.test.positions)
    return _theme(
        context,
        GalleryExamples(SingleOutputOODScorer(detector, subject.adapter), names, subject.test.prepared),
        detector,
        tested,
        found,
        probes,
        off,
        untellable,
    )


def _scores(subject: ModelUnderTest, detector: OODDetector, part: SplitOutputs) -> dict[str, Tensor]:
    return detector.scores(subject.adapter, part.prepared, part, subject.measured_inputs(part))


def _of_many(context: ThemeContext, structured: StructuredModelUnderTest | None) -> Theme:
    """The same of what the inputs of such a model look like: to an autoencoder, and in the network itself."""
    sense = None if structured is None else structured.adapter.feature_extractor
    if structured is None or sense is None:
        return Theme(name="ood", not_computed_because=say("trust.many.no_likeness"))
    calibrated = structured.positions("validation", MAX_EXTRACTED)
    if len(calibrated) < MIN_CALIBRATION:
        return Theme(
            name="ood",
            not_computed_because=say("trust.unlike.too_few", n=len(calibrated), least=MIN_CALIBRATION),
        )
    run_context, rng, done = context.run_context, context.run_context.rng("unlike"), 0
    learnt, tested = structured.positions("train", MAX_EXTRACTED), structured.positions("test", MAX_EXTRACTED)
    total = len(learnt) + len(calibrated) + len(tested)

    held: dict[int, object] = {}

    def sensed(positions: Sequence[int], *, keep: bool = False) -> list[OODFeatures]:
        nonlocal done
        found = []
        for position in positions:
            (prepared,) = structured.prepared([position])
            found.append(sense.ood_features(prepared))
            if keep:
                held[position] = prepared
            done += 1
            context.progress(done, total + 1)
        return found

    detector = fit_structured_detector(run_context, sensed(learnt), rng, with_autoencoder=context.level != "quick")
    usual = detector.structured_scores(sensed(calibrated))
    if not usual:
        return Theme(name="ood", not_computed_because=say("trust.not_in_quick"))
    looked = sensed(tested, keep=True)
    prepared = [held[position] for position in tested]
    probes = {name: inputs for name, inputs in sense.ood_probes(prepared[:PROBED_MANY], rng).items() if inputs}
    found = {
        name: detector.structured_scores([sense.ood_features(one) for one in inputs]) for name, inputs in probes.items()
    }
    off = uninformative_scores(usual, found[next(iter(found))])
    kept = {name: scores for name, scores in usual.items() if name not in off}
    if not kept:
        return Theme(name="ood", facts={"switched_off": list(off)}, findings=[_takes_noise(next(iter(found)))])
    detector = detector.fitted(kept)
    detector.save(run_context.run.bundle)
    gallery_examples = GalleryExamples(
        StructuredOODScorer(detector, sense), [run_context.record.names[i] for i in tested], prepared
    )
    return _theme(context, gallery_examples, detector, detector.structured_scores(looked), found, probes, off)


def _theme(
    context: ThemeContext,
    gallery_examples: GalleryExamples,
    detector: OODDetector,
    tested: Mapping[str, Tensor],
    found: Mapping[str, Mapping[str, Tensor]],
    probes: Mapping[str, Sequence[object]],
    off: tuple[str, ...],
    untellable: Sequence[str] = (),
) -> Theme:
    combined = detector.combination
    assert combined is not None
    usual = combined.score(tested)
    alarms = detection_rate_at(usual, combined.threshold)
    detected = {name: detection_rate_at(combined.score(scores), combined.threshold) for name, scores in found.items()}
    aurocs = {name: auroc(usual, combined.score(scores)) for name, scores in found.items()}
    facts: dict[str, object] = {
        "scores": list(combined.names),
        "switched_off": list(off),
        "not_counted": list(untellable),
        "false_alarms_wanted": detector.target_fpr,
        "false_alarms": alarms.as_json(),
        "probes": {n: {"auroc": aurocs[n].as_json(), "detected": detected[n].as_json()} for n in found},
        "each_score": {
            name: {p: auroc(values, found[p][name]).as_json() for p in found} for name, values in tested.items()
        },
    }
    blocks: list[Block] = [
        Sentence(text=say("trust.unlike.used", alarms=format_percent(detector.target_fpr, 0))),
        _bars(alarms, detected),
        _grid(tested, found, aurocs, off),
        *_most_unusual(gallery_examples, detector, usual),
        *_heat(gallery_examples, probes),
    ]
    if off:
        names = ", ".join(say(f"trust.unlike.scores.{name}") for name in off)
        blocks.insert(1, Sentence(text=say("trust.unlike.switched_off", names=names), tone="attention"))
    if untellable:
        names = ", ".join(say(f"trust.unlike.probes.{name}") for name in untellable)
        blocks.insert(1, Sentence(text=say("trust.unlike.untellable", names=names)))
    counted = {name: rate for name, rate in detected.items() if name not in untellable}
    return Theme(
        name="ood",
        facts=facts,
        blocks=blocks,
        findings=_findings(detector, alarms, counted),
        untested=[say("trust.unlike.untested")],
        partly_tested=hardly_tested(context, alarms.n),
    )


def _takes_noise(probe: str) -> Finding:
    """What to say where not even the strangest ``probe`` is noticed: noise, or of rows numbers that are far off."""
    text = say("trust.unlike.takes_noise") if probe == "noise" else say("trust.unlike.takes_far")
    return Finding(key="takes_noise_for_its_own", gravity="problem", text=text)


def _findings(detector: OODDetector, alarms: Rate, detected: Mapping[str, Rate]) -> list[Finding]:
    found = []
    first, *others = detected
    if detected[first].interval[1] < POOR:
        found.append(_takes_noise(first))
    missed = [name for name in others if detected[name].interval[1] < POOR]
    if missed:
        names = ", ".join(say(f"trust.unlike.probes.{name}") for name in missed)
        found.append(
            Finding(key="misses_strange_inputs", gravity="attention", text=say("trust.unlike.misses", names=names))
        )
    if alarms.interval[0] > 2 * detector.target_fpr:
        text = say(
            "trust.unlike.alarms", share=format_percent(alarms.value), wanted=format_percent(detector.target_fpr, 0)
        )
        found.append(Finding(key="too_many_false_alarms", gravity="attention", text=text))
    return found


def _bars(alarms: Rate, detected: Mapping[str, Rate]) -> Bars:
    rows = [(say(f"trust.unlike.probes.{name}"), rate, True) for name, rate in detected.items()]
    rows.append((say("trust.unlike.usual"), alarms, False))
    bars = [
        Bar(
            label=label,
            value=rate.value,
            low=rate.interval[0],
            high=rate.interval[1],
            value_text=format_metric(rate.as_json()),
            tone="plain" if probes else "attention",
        )
        for label, rate, probes in rows
    ]
    n = next(iter(detected.values())).n
    return Bars(title=say("trust.unlike.refused"), bars=bars, note=say("trust.unlike.refused_note", n=n, m=alarms.n))


def _grid(
    tested: Mapping[str, Tensor],
    found: Mapping[str, Mapping[str, Tensor]],
    aurocs: Mapping[str, Rate],
    off: tuple[str, ...],
) -> Grid:
    heads = ["", *(say(f"trust.unlike.probes.{name}") for name in found)]
    rows = [
        [
            say(f"trust.unlike.scores.{name}") + (" ✗" if name in off else ""),
            *(format_decimal(100 * auroc(values, scores[name]).value, 1) for scores in found.values()),
        ]
        for name, values in tested.items()
    ]
    rows.append(
        [say("trust.unlike.scores.combined"), *(format_decimal(100 * rate.value, 1) for rate in aurocs.values())]
    )
    return Grid(
        title=say("trust.unlike.auroc"),
        heads=heads,
        rows=rows,
        right=tuple(range(1, len(heads))),
        note=say("trust.unlike.auroc_note"),
    )


def _most_unusual(gallery_examples: GalleryExamples, detector: OODDetector, usual: Tensor) -> list[Block]:
    """The test examples that it would refuse first."""
    order = usual.argsort(descending=True)[:SHOWN].tolist()
    captions = [gallery_examples.names[i] for i in order]
    shown = _shown(gallery_examples, [gallery_examples.prepared[i] for i in order], captions)
    title = say("trust.unlike.most_unusual")
    if shown:
        heated = any(one.heatmap is not None for one in shown)
        return [ImageGallery(title=title, images=shown, note=say("trust.unlike.heat_note") if heated else "")]
    return [Grid(title=title, heads=[""], rows=[[caption] for caption in captions])]


def _heat(gallery_examples: GalleryExamples, probes: Mapping[str, Sequence[object]]) -> list[Block]:
    """One of each kind of strange input."""
    first = [inputs[0] for inputs in probes.values()]
    shown = _shown(gallery_examples, first, [say(f"trust.unlike.probes.{name}") for name in probes])
    return [ImageGallery(title=say("trust.unlike.probes_shown"), images=shown)] if shown else []


def _shown(
    gallery_examples: GalleryExamples, prepared: Sequence[object], captions: Sequence[str]
) -> list[CaptionedImage]:
    found = [gallery_examples.captioned_image(one, caption) for one, caption in zip(prepared, captions, strict=True)]
    return [one for one in found if one is not None]
