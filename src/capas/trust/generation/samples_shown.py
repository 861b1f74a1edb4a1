"""What the report shows of a generator: samples as they come, their figures beside those of other real images, and the
samples nearest to a training image.

All of it was measured by the one test and stands in ``metrics.json``; only the pictures are drawn again.
"""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_metric, format_percent, metric_name
from capas.trust.generation.adapter import GenerationAdapter
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery, Sentence
from capas.trust.theme import Finding
from capas.trust.theme_context import ThemeContext

SHOWN: Final = 24
COPIES: Final = "near_copies"
SEEN: Final = 0.01  # share of near copies that is said where its whole interval lies above it
GRAVE: Final = 0.1
COLLAPSED: Final = 0.3  # of the spread of real images: below it samples are hardly more than one


def sample_blocks(context: ThemeContext) -> list[Block]:
    """Return samples, and figures beside those of other real images; nothing for other tasks."""
    adapter = _adapter(context)
    if adapter is None:
        return []
    seed, metrics = context.run_context.config.train.seed, context.run_context.metrics
    asked = _asked_for(context, range(SHOWN))
    pictures = [
        CaptionedImage(image=image, caption=asked[i] or str(i))
        for i, image in enumerate(adapter.samples(range(SHOWN), asked, seed))
    ]
    blocks: list[Block] = [
        ImageGallery(title=say("trust.samples.title"), images=pictures, note=say("trust.samples.as_they_come"))
    ]
    own = cast(Mapping[str, object], metrics["metrics"])
    real = {**cast(Mapping[str, object], metrics.get("real_images", {})),
            "class_accuracy_score": metrics.get("class_accuracy_of_real"),
            "caption_retrieval": metrics.get("caption_retrieval_of_real")}  # fmt: skip
    rows = [
        [metric_name(name), format_metric(figure), format_metric(real[name]) if real.get(name) is not None else "–"]
        for name, figure in own.items()
    ]
    note = say("trust.samples.floor", features=str(metrics["features"]), n=int(str(metrics["samples"])))
    heads = [say("trust.figure"), say("trust.samples.own"), say("trust.samples.real")]
    return [*blocks, Grid(title=say("trust.samples.beside_real"), heads=heads, rows=rows, right=(1, 2), note=note)]


def copy_blocks(context: ThemeContext) -> list[Block]:
    """Return the samples nearest to a training image, each beside it; nothing for other tasks."""
    adapter, copies = _adapter(context), context.run_context.metrics.get("copies")
    if adapter is None or not isinstance(copies, Mapping):
        return []
    held = cast(Sequence[Mapping[str, object]], copies["nearest"])
    numbers = [cast(int, one["sample"]) for one in held]
    positions = {name: position for position, name in enumerate(context.run_context.record.names)}
    pictures: list[CaptionedImage] = []
    drawn = adapter.samples(numbers, _asked_for(context, numbers), context.run_context.config.train.seed)
    for one, image in zip(held, drawn, strict=True):
        name, distance = str(one["train"]), format_decimal(cast(float, one["distance"]), 2)
        caption = say("trust.samples.sample", number=str(one["sample"]), distance=distance)
        pictures.append(CaptionedImage(image=image, caption=caption))
        index = context.run_context.indices[positions[name]]
        pictures.append(CaptionedImage(image=adapter.training_image(index), caption=name))
    note = say(
        "trust.samples.copies_note", threshold=format_decimal(cast(float, copies["threshold"]), 2),
        kept=format_decimal(cast(float, copies["kept_distance"]), 2),
    )  # fmt: skip
    return [
        Sentence(text=say("trust.samples.copies", share=format_metric(_share(context)))),
        ImageGallery(title=say("trust.samples.nearest"), images=pictures, note=note),
    ]


def copy_findings(context: ThemeContext) -> list[Finding]:
    """Return what the verdict says of near copies; nothing where they are few."""
    share = _share(context)
    if share is None:
        return []
    low = cast(Sequence[float], share["interval"])[0]
    if low <= SEEN:
        return []
    text = say("trust.samples.copied", share=format_metric(share))
    return [Finding(key="samples_are_copies", gravity="problem" if low > GRAVE else "attention", text=text)]


def collapse_findings(context: ThemeContext) -> list[Finding]:
    """Return what the verdict says of samples that hardly differ from each other; nothing otherwise."""
    spread = context.run_context.metrics.get("spread")
    if _adapter(context) is None or not isinstance(spread, float) or spread >= COLLAPSED:
        return []
    text = say("trust.samples.collapsed", share=format_percent(spread, 0))
    return [Finding(key="samples_collapsed", gravity="problem", text=text)]


def _asked_for(context: ThemeContext, numbers: Sequence[int]) -> list[str]:
    """The class or caption that the one test drew these samples for: all in turn, captions those of the test part."""
    record, said = context.run_context.record, list(context.run_context.classes)
    if record.spec.captioned:
        said = [record.label_text(record.labels[i]) for i in record.positions("test").tolist()]
    return [said[number % len(said)] if said else "" for number in numbers]


def _adapter(context: ThemeContext) -> GenerationAdapter | None:
    adapter = None if context.structured is None else context.structured.adapter
    return adapter if isinstance(adapter, GenerationAdapter) else None


def _share(context: ThemeContext) -> Mapping[str, object] | None:
    metrics = cast(Mapping[str, Mapping[str, object]], context.run_context.metrics["metrics"])
    return metrics.get(COPIES)
