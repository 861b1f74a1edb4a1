"""What the report shows of translators between two collections: test pictures, translated and led back, their figures
beside those of untouched pictures, and whether the translators have collapsed or do nothing.
"""

from collections.abc import Mapping
from typing import Final, cast

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent, metric_name
from capas.engine.recipes.unpaired_translation.evaluate import SIDES
from capas.trust.generation.unpaired_adapter import UnpairedAdapter
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery
from capas.trust.theme import Finding
from capas.trust.theme_context import ThemeContext

SHOWN: Final = 6  # test pictures of each collection
COLLAPSED: Final = 0.3  # of the spread of real pictures: below it translations are hardly more than one
UNCHANGED: Final = 0.01  # of a pixel's range: below it nobody would see that anything was done


def translation_blocks(context: ThemeContext) -> list[Block]:
    """Return test pictures there and back, and the figures; nothing for other tasks."""
    adapter = _adapter(context)
    if adapter is None:
        return []
    case, names = context.run_context, adapter.model.collections
    pictures: list[CaptionedImage] = []
    test = case.record.positions("test").tolist()
    for own, name in enumerate(names):
        positions = [position for position in test if case.record.labels[position] == own][:SHOWN]
        turned = say("trust.translated.caption", name=name, other=names[1 - own])
        captions = (name, turned, say("trust.translated.back"))
        for images in adapter.there_and_back([case.indices[position] for position in positions], own):
            pictures += [
                CaptionedImage(image=image, caption=caption) for image, caption in zip(images, captions, strict=True)
            ]
    gallery = ImageGallery(
        title=say("trust.translated.title"), images=pictures, note=say("trust.translated.as_they_come")
    )
    return [gallery, _figures(case.metrics)]


def _figures(metrics: Mapping[str, object]) -> Grid:
    own, baseline = (cast(Mapping[str, object], metrics[key]) for key in ("metrics", "baseline"))
    held = (own, cast(Mapping[str, object], baseline["untouched"]),
            cast(Mapping[str, object], metrics.get("real_images", {})))  # fmt: skip
    rows = [[metric_name(name), *(format_metric(part[name]) if name in part else "–" for part in held)] for name in own]
    heads = [
        say("trust.figure"), say("trust.translated.own"), say("trust.translated.untouched"),
        say("trust.translated.real"),
    ]  # fmt: skip
    note = say("trust.translated.floor", features=str(metrics["features"]))
    return Grid(title=say("trust.translated.beside_real"), heads=heads, rows=rows, right=(1, 2, 3), note=note)


def translation_findings(context: ThemeContext) -> list[Finding]:
    """Return what the verdict says of translators that make one picture of all, or change nothing."""
    adapter, metrics = _adapter(context), context.run_context.metrics
    if adapter is None:
        return []
    spread, changed = (cast(Mapping[str, float], metrics[key]) for key in ("spread", "changed"))
    names, found = adapter.model.collections, list[Finding]()
    for own in (0, 1):
        direction = f"{SIDES[own]}_to_{SIDES[1 - own]}"
        shown = say("trust.translated.caption", name=names[own], other=names[1 - own])
        if spread[direction] < COLLAPSED:
            text = say("trust.translated.collapsed", direction=shown, share=format_percent(spread[direction], 0))
            found.append(Finding(key="translations_collapsed", gravity="problem", text=text))
        if changed[direction] < UNCHANGED:
            text = say("trust.translated.nothing_changed", direction=shown, share=format_percent(changed[direction], 1))
            found.append(Finding(key="translations_unchanged", gravity="problem", text=text))
    return found


def _adapter(context: ThemeContext) -> UnpairedAdapter | None:
    adapter = None if context.structured is None else context.structured.adapter
    return adapter if isinstance(adapter, UnpairedAdapter) else None
