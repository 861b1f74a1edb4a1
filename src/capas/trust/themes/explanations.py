"""Theme of explanations of image classifiers: saliency maps with their checks, and decisive regions."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from capas.baselines.majority_class import MajorityClass
from capas.core.i18n import say
from capas.trust.explanations.content_probes import content_probe_facts
from capas.trust.explanations.faithfulness import FaithfulnessCurve, advantage_over_brightness, deletion, insertion
from capas.trust.explanations.image_explainers import grad_cam_map, saliency_functions
from capas.trust.explanations.parameter_randomization import SaliencyFunction, parameter_randomization
from capas.trust.explanations.region_importance import RegionImportance, region_importances
from capas.trust.explanations.saliency import brightness, random_map
from capas.trust.rendering.blocks import Block, CaptionedImage, ImageGallery, Sentence
from capas.trust.subjects.image_inputs import UnitRangeImageModel, image_to_array, images_to_unit_range
from capas.trust.subjects.model_functions import ForwardFunction
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext, ended_early
from capas.trust.themes.explanations_blocks import (
    SaliencyMethod,
    best_method,
    explanation_findings,
    method_facts,
    methods_table,
    needed_findings,
    region_blocks,
    region_facts,
    saliency_deletion_plot,
)
from capas.trust.themes.explanations_regression_multilabel import output_explanations_theme
from capas.trust.themes.explanations_segmentation import segmentation_explanations_theme
from capas.trust.themes.explanations_text_tabular_audio import ablation_explanations_theme
from capas.trust.time_budget import OutOfTime

CONTROLS: Final = ("brightness", "random")
EXAMPLES, EXAMPLES_QUICK, EXAMPLES_LARGE, EXAMPLES_CHECKED = 40, 12, 8, 8
PLACED, PLACED_QUICK, PLACED_LARGE = 100, 60, 40
SHOWN = 10
RANDOM_NETWORKS = 2
CHEAPEST_FIRST: Final = ("gradient", "grad_cam", "integrated_gradients", "occlusion")
DECIDES_ALONE = 0.6  # of what is right beyond guessing


def explanations_theme(context: ThemeContext) -> Theme:
    """Return the theme of explanations, for any task and medium."""
    subject = context.subject
    if subject is None:
        return segmentation_explanations_theme(context, context.structured)
    images = subject.adapter.images
    if images is None:
        return ablation_explanations_theme(context, subject)
    if subject.run_context.task != "classify":
        return output_explanations_theme(context, subject, images)
    forward = UnitRangeImageModel(images)
    large = subject.adapter.is_expensive
    quick = context.level == "quick"
    chosen = _right_ones(subject, EXAMPLES_LARGE if large else EXAMPLES_QUICK if quick else EXAMPLES)
    if not len(chosen):
        return Theme(name="explanations", not_computed_because=say("trust.zones.nothing_right"))
    x = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()])
    classes = subject.test.predictions.argmax(1)[chosen]
    background = _background(subject)
    # First what finds shortcuts: where the time is short, it is maps that are left out.
    decisive, all_places = _decisive(
        subject,
        forward,
        background,
        PLACED_LARGE if large else PLACED_QUICK if quick else PLACED,
        step=1.0 if large else 0.5,
    )
    probe_facts, probed = content_probe_facts(subject)
    methods = _methods(context, subject, forward, x, classes, background, steps=8 if large else 32)
    best = best_method(methods)
    facts: dict[str, object] = {
        "n": len(chosen),
        "methods": {m.name: method_facts(m) for m in methods},
        "shown": best.name if best else None,
        "place": region_facts(all_places),
    }
    facts["without_content"] = probe_facts
    left_out = [name for name in _ways(background, 1) if name not in {method.name for method in methods}]
    findings = [*explanation_findings(images, best, decisive), *probed, *needed_findings(images, all_places)]
    if left_out:  # one of those left out might have passed
        findings = [finding for finding in findings if finding.key != "no_reliable_map"]
    blocks: list[Block] = [
        *_map_blocks(subject, x, chosen, methods, best),
        *region_blocks(images, x, all_places),
    ]
    return Theme(
        name="explanations",
        facts=facts,
        blocks=blocks,
        findings=findings,
        untested=[say("trust.zones.untested")],
        partly_tested=ended_early(context, ", ".join(say(f"trust.zones.methods.{name}") for name in left_out))
        if left_out
        else (),
        out_of_time=bool(left_out),
    )


def _map_blocks(
    subject: ModelUnderTest, x: Tensor, chosen: Tensor, methods: list[SaliencyMethod], best: SaliencyMethod | None
) -> list[Block]:
    """The maps of the best method with the checks of all; nothing where the time allowed none."""
    if not methods:
        return []
    return [
        Sentence(text=say("trust.zones.shown_by", name=say(f"trust.zones.methods.{best.name}")))
        if best
        else Sentence(text=say("trust.zones.none_reliable"), tone="attention"),
        *_maps(subject, x, chosen, best or methods[0]),
        methods_table(methods, say("trust.zones.checks_note", n=len(chosen))),
        saliency_deletion_plot(methods, say("trust.zones.probability")),
    ]


def _right_ones(subject: ModelUnderTest, most: int) -> Tensor:
    """Test examples that it answers rightly: numbers in the part, drawn by chance."""
    right = (subject.test.predictions.argmax(1) == subject.test.targets).nonzero().flatten()
    order = torch.randperm(len(right), generator=subject.run_context.rng("zones"))[:most]
    return right[order]


def _background(subject: ModelUnderTest) -> Tensor:
    """The mean of (at most 1,000) training images."""
    return images_to_unit_range(subject.train.prepared[:1000]).mean(0)


def _methods(
    context: ThemeContext,
    subject: ModelUnderTest,
    forward: UnitRangeImageModel,
    x: Tensor,
    classes: Tensor,
    background: Tensor,
    *,
    steps: int,
) -> list[SaliencyMethod]:
    rng = subject.run_context.rng("zones checks")
    controls: Mapping[str, Tensor] = {"brightness": brightness(x), "random": random_map(x, rng)}
    try:
        curves = {name: _curves(forward, x, classes, maps, background) for name, maps in controls.items()}
    except OutOfTime:
        return []
    others = [forward.randomized(rng) for _ in range(RANDOM_NETWORKS)]
    few = slice(0, EXAMPLES_CHECKED)
    found: list[SaliencyMethod] = []
    ways = _ways(background, steps)
    if subject.adapter.is_expensive:  # the quick ones first: occlusion asks the network hundreds of times for one map
        ways = {name: ways[name] for name in CHEAPEST_FIRST}
    began = context.deadline.clock()
    for number, (name, way) in enumerate(ways.items()):
        if not context.deadline.allows_another(number, began):
            break
        try:
            maps = torch.cat(
                [way(forward, a, c) for a, c in zip(torch.split(x, 25), torch.split(classes, 25), strict=True)]
            )
            both = _curves(forward, x, classes, maps, background)
            randomization_correlation = parameter_randomization(way, forward, others, x[few], classes[few]).mean
        except OutOfTime:
            break
        found.append(
            SaliencyMethod(
                name=name,
                maps=maps,
                deletion=both[0],
                insertion=both[1],
                randomization_correlation=randomization_correlation,
                advantage=advantage_over_brightness(both, curves["brightness"], rng),
            )
        )
        context.progress(number + 1, len(ways) + 2)
    if not found:
        return []
    return found + [SaliencyMethod(name=n, maps=controls[n], deletion=d, insertion=i) for n, (d, i) in curves.items()]


def _ways(background: Tensor, steps: int) -> dict[str, SaliencyFunction]:
    """The methods that make maps, by name."""
    return {**saliency_functions(background, steps), "grad_cam": grad_cam_map}


def _curves(
    forward: ForwardFunction, x: Tensor, classes: Tensor, maps: Tensor, background: Tensor
) -> tuple[FaithfulnessCurve, FaithfulnessCurve]:
    return (deletion(forward, x, classes, maps, fill=background), insertion(forward, x, classes, maps, fill=background))


def _decisive(
    subject: ModelUnderTest, forward: ForwardFunction, background: Tensor, most: int, *, step: float
) -> tuple[RegionImportance | None, list[RegionImportance]]:
    """The place that decides by itself, if there is one, and all places."""
    chosen = torch.randperm(len(subject.test), generator=subject.run_context.rng("places"))
    chosen = chosen[:most]
    x, targets = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    found = region_importances(forward, x, lambda outputs: outputs.argmax(1) == targets, background, step=step)
    first = found[0]
    whole = float((subject.test.predictions.argmax(1) == subject.test.targets)[chosen].float().mean())
    k = len(subject.run_context.classes)
    guessed = float(MajorityClass.fit(targets, k).predict(1).max())
    decides = first.accuracy_alone.interval[0] - guessed > DECIDES_ALONE * max(0.05, whole - guessed)
    return (first if decides else None), found


def _maps(subject: ModelUnderTest, x: Tensor, chosen: Tensor, method: SaliencyMethod) -> list[Block]:
    captioned_images = []
    for i in range(min(SHOWN, len(x))):
        heat = method.maps[i].clamp(min=0)
        heat = heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)
        name = subject.run_context.record.names[int(subject.test.positions[int(chosen[i])])]
        label = subject.run_context.classes[int(subject.test.targets[int(chosen[i])])]
        captioned_images.append(
            CaptionedImage(image=image_to_array(x[i]), caption=f"{name}: {label}", heatmap=heat.clamp(0, 1).numpy())
        )
    return [ImageGallery(title=say("trust.zones.maps"), images=captioned_images, note=say("trust.zones.maps_note"))]
