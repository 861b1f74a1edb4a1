"""Theme of explanations of image models that predict numbers or tags: saliency maps of one output, with their checks.

Of tags the output is the most probable one, and the score its probability. Of numbers it is the first one, and the
score how far the number is from that of the mean training image, in standard deviations: what a map calls important
must move the number back when it is covered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_percent
from capas.engine.recipes.single_output.image.predictor import ImageReader
from capas.trust.explanations.faithfulness import (
    FaithfulnessCurve,
    OutputScore,
    advantage_over_brightness,
    interpolation_curve,
)
from capas.trust.explanations.image_explainers import saliency_functions
from capas.trust.explanations.parameter_randomization import parameter_randomization
from capas.trust.explanations.region_importance import RegionImportance, region_importances
from capas.trust.explanations.saliency import brightness, random_map
from capas.trust.rendering.blocks import Block, CaptionedImage, ImageGallery, Sentence
from capas.trust.subjects.image_inputs import UnitRangeImageModel, image_to_array, images_to_unit_range
from capas.trust.subjects.model_functions import ForwardFunction
from capas.trust.subjects.regression_multilabel import output_targets
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Theme
from capas.trust.theme_context import ThemeContext
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

EXAMPLES, EXAMPLES_QUICK, EXAMPLES_LARGE, CHECKED = 40, 12, 8, 8
PLACED, PLACED_LARGE, SHOWN = 100, 40, 10
RANDOM_NETWORKS = 2
DECIDES_ALONE: Final = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputQuestion:
    """The outputs to explain.

    Attributes:
        x: Images, shape (N, C, H, W).
        output_index: Output to explain of each image, shape (N,).
        sign: Sign of each image's maps, shape (N,).
        score: Score that falls when what matters is covered.
        background: What covered pixels show.
    """

    x: Tensor
    output_index: Tensor
    sign: Tensor
    score: OutputScore
    background: Tensor


def output_explanations_theme(context: ThemeContext, subject: ModelUnderTest, images: ImageReader) -> Theme:
    """Return the theme for regression and multi-label models."""
    large = subject.adapter.is_expensive
    most = EXAMPLES_LARGE if large else EXAMPLES_QUICK if context.level == "quick" else EXAMPLES
    chosen = torch.randperm(len(subject.test), generator=subject.run_context.rng("zones"))[:most]
    forward = UnitRangeImageModel(images)
    question = _question(subject, forward, chosen)
    methods = _methods(context, subject, forward, question, steps=8 if large else 32)
    best = best_method(methods)
    decisive, all_places = _places(subject, forward, question.background, large=large)
    facts: dict[str, object] = {
        "n": len(chosen),
        "score": "probability" if subject.run_context.task == "tag" else "spreads_from_mean_picture",
        "methods": {m.name: method_facts(m) for m in methods},
        "shown": best.name if best else None,
        "place": region_facts(all_places) if all_places else None,
    }
    tags = subject.run_context.task == "tag"
    about = say("trust.zones.none_reliable")
    if best is not None:
        about = say("trust.zones.shown_by", name=say(f"trust.zones.methods.{best.name}"))
    blocks: list[Block] = [
        Sentence(text=about, tone="plain" if best else "attention"),
        _maps(subject, question, chosen, best or methods[0]),
        methods_table(methods, say("trust.many.checks_note", n=len(chosen))),
        saliency_deletion_plot(
            methods, say("trust.many.probability_of_tag") if tags else say("trust.many.spreads"), percent_y=tags
        ),
        *(region_blocks(images, question.x, all_places) if all_places else ()),
    ]  # fmt: skip
    findings = [*explanation_findings(images, best, decisive), *needed_findings(images, all_places)]
    return Theme(
        name="explanations", facts=facts, blocks=blocks, findings=findings, untested=[say("trust.zones.untested")]
    )


def _question(subject: ModelUnderTest, forward: UnitRangeImageModel, chosen: Tensor) -> OutputQuestion:
    x = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()])
    background = images_to_unit_range(subject.train.prepared[:1000]).mean(0)
    if subject.run_context.task == "tag":
        output, temperature = subject.test.predictions[chosen].argmax(1), subject.temperature

        def probability(pictures: Tensor, rows: Tensor) -> Tensor:
            outputs = forward(pictures)
            probabilities: Tensor = (outputs.gather(1, output[rows][:, None])[:, 0] / temperature).sigmoid()
            return probabilities

        return OutputQuestion(
            x=x, output_index=output, sign=torch.ones(len(x)), score=probability, background=background
        )
    with torch.no_grad():
        nothing = forward(background[None])[0, 0]
    sign = torch.where(subject.test.outputs[chosen, 0] < nothing, -1.0, 1.0)

    def away(pictures: Tensor, rows: Tensor) -> Tensor:
        distance: Tensor = sign[rows] * (forward(pictures)[:, 0] - nothing)
        return distance

    first = torch.zeros(len(x), dtype=torch.long)
    return OutputQuestion(x=x, output_index=first, sign=sign, score=away, background=background)


def _methods(
    context: ThemeContext,
    subject: ModelUnderTest,
    forward: UnitRangeImageModel,
    question: OutputQuestion,
    *,
    steps: int,
) -> list[SaliencyMethod]:
    rng, few = subject.run_context.rng("zones checks"), slice(0, CHECKED)
    x, output = question.x, question.output_index
    controls: Mapping[str, Tensor] = {"brightness": brightness(x), "random": random_map(x, rng)}
    curves = {name: _curves(question, maps) for name, maps in controls.items()}
    others: list[ForwardFunction] = [forward.randomized(rng) for _ in range(RANDOM_NETWORKS)]
    ways, found = saliency_functions(question.background, steps), []
    for number, (name, way) in enumerate(ways.items()):
        parts = zip(torch.split(x, 25), torch.split(output, 25), strict=True)
        maps = torch.cat([way(forward, a, k) for a, k in parts])
        # The size of a gradient has no sign.
        # Signed maps: what moved a number away from that of the background counts for it, down or up.
        maps = maps if name == "gradient" else maps * question.sign[:, None, None]
        both = _curves(question, maps)
        found.append(
            SaliencyMethod(
                name=name, maps=maps, deletion=both[0], insertion=both[1],
                randomization_correlation=parameter_randomization(way, forward, others, x[few], output[few]).mean,
                advantage=advantage_over_brightness(both, curves["brightness"], rng),
            )
        )  # fmt: skip
        context.progress(number + 1, len(ways) + 1)
    return found + [SaliencyMethod(name=n, maps=controls[n], deletion=d, insertion=i) for n, (d, i) in curves.items()]


def _curves(question: OutputQuestion, maps: Tensor) -> tuple[FaithfulnessCurve, FaithfulnessCurve]:
    covered = question.background.expand_as(question.x)
    return interpolation_curve(question.score, question.x, covered, maps), interpolation_curve(
        question.score, covered, question.x, maps
    )


def _places(
    subject: ModelUnderTest, forward: UnitRangeImageModel, background: Tensor, *, large: bool
) -> tuple[RegionImportance | None, list[RegionImportance]]:
    """The place that decides by itself, if there is one, and all; none where nothing says what is right."""
    values = output_targets(subject)
    if values is None:
        return None, []
    chosen = torch.randperm(len(subject.test), generator=subject.run_context.rng("places"))
    chosen = chosen[: PLACED_LARGE if large else PLACED]
    x, targets = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()]), values.targets[chosen]
    right: Callable[[Tensor], Tensor] = lambda outputs: values.is_correct(outputs, targets)  # noqa: E731
    found = region_importances(forward, x, right, background, step=1.0 if large else 0.5)
    with torch.no_grad():
        guessed = float(right(forward(background[None]).expand(len(x), -1)).float().mean())
    whole = float(right(subject.test.outputs[chosen]).float().mean())
    decides = found[0].accuracy_alone.interval[0] - guessed > DECIDES_ALONE * max(0.05, whole - guessed)
    return (found[0] if decides else None), found


def _maps(subject: ModelUnderTest, question: OutputQuestion, chosen: Tensor, method: SaliencyMethod) -> ImageGallery:
    captioned_images, part, case = [], subject.test, subject.run_context
    for i in range(min(SHOWN, len(question.x))):
        heat = method.maps[i].clamp(min=0)
        heat = heat / torch.quantile(heat.flatten(), 0.99).clamp(min=1e-12)
        number, k = int(chosen[i]), int(question.output_index[i])
        answer = float(part.predictions[number, k])
        output_text = (
            f"{case.classes[k]} {format_percent(answer, 0)}"
            if case.task == "tag"
            else f"{answer:.4g} {case.record.spec.targets[0].unit}".rstrip()
        )
        caption = f"{case.record.names[int(part.positions[number])]}: {output_text}"
        captioned_images.append(
            CaptionedImage(image=image_to_array(question.x[i]), caption=caption, heatmap=heat.clamp(0, 1).numpy())
        )
    return ImageGallery(title=say("trust.zones.maps"), images=captioned_images, note=say("trust.many.maps_note"))
