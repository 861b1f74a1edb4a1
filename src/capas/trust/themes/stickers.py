"""Theme of adversarial patches: one patch for all images, optimised on training and evaluated on test images.

Black, white and random patches at the same positions are the control.
"""

import io
from dataclasses import replace
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from capas.core.i18n import say
from capas.core.number_format import format_metric, format_percent
from capas.trust.attacks.adversarial_patch import (
    PATCH_FILLINGS,
    PatchAccuracy,
    PatchConfig,
    optimize_patch,
    patch_accuracy_table,
    patch_image,
)
from capas.trust.attacks.patch_placement import (
    NO_AUGMENTATION,
    PatchAugmentation,
    apply_patch,
    glasses_mask,
    sample_placement,
    sign_mask,
    square_mask,
)
from capas.trust.rendering.blocks import Block, CaptionedImage, Grid, ImageGallery
from capas.trust.subjects.image_inputs import UnitRangeImageModel, image_to_array, images_to_unit_range
from capas.trust.subjects.single_output import ModelUnderTest
from capas.trust.theme import Finding, Theme
from capas.trust.theme_context import ThemeContext, ended_early, hardly_tested
from capas.trust.time_budget import OutOfTime, uninterrupted

SIDE_SHARE: Final = 0.25  # a sixteenth of the picture
LEARNT_ON, JUDGED_ON, JUDGED_LARGE = 1000, 300, 24
PRINT_SIDE = 600  # pixels: 5 cm at 300 dots per inch
HARMFUL = 0.1


def stickers_theme(context: ThemeContext) -> Theme:
    """Return the theme of adversarial patches."""
    subject = context.subject
    if context.run_context.medium != "image":
        return Theme(name="stickers", not_computed_because=say("trust.stickers.only_pictures"))
    if subject is not None and subject.adapter.content is not None:
        return Theme(name="stickers", not_computed_because=say("trust.beside.no_stickers"))
    images = None if subject is None else subject.adapter.images
    if subject is None or images is None or subject.run_context.task != "classify":
        return Theme(name="stickers", not_computed_because=say("trust.many.no_stickers"))
    if context.level == "quick":
        return Theme(name="stickers", not_computed_because=say("trust.not_in_quick"))
    height, width = images.preparation.shape[1:]
    large = subject.adapter.is_expensive
    masks = _masks(height, width, deep=context.level == "deep")
    forward, rng = UnitRangeImageModel(images), subject.run_context.rng("stickers")
    augmentation = PatchAugmentation() if context.level == "deep" else NO_AUGMENTATION
    config = PatchConfig(steps=12 if large else 100, batch=12 if large else 64, augmentation=augmentation)
    learnt = images_to_unit_range(subject.train.prepared[: (100 if large else LEARNT_ON)])
    targets = subject.train.targets[: len(learnt)]
    patches = {}
    began = context.deadline.clock()
    for number, (name, mask) in enumerate(masks.items()):
        if not context.deadline.allows_another(number, began):
            break
        try:
            patches[name] = optimize_patch(forward, learnt, targets, mask, rng, config=config)
        except OutOfTime:
            if not patches:
                raise
            break
        context.progress(number + 1, len(masks) + 1)
    left_out = [name for name in masks if name not in patches]
    masks = {name: masks[name] for name in patches}
    chosen = torch.randperm(len(subject.test), generator=rng)[: JUDGED_LARGE if large else JUDGED_ON]
    x, y = images_to_unit_range([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    with uninterrupted():
        rows = patch_accuracy_table(
            forward, x, y, masks, patches, rng, augmentation=augmentation, batch=16 if large else 256
        )
    theme = _theme(context, subject, x, masks, patches, rows, augmentation)
    if not left_out:
        return theme
    places = ", ".join(say(f"trust.stickers.places.{name}") for name in left_out)
    said = ended_early(context, say("trust.time.stickers", places=places))
    return replace(theme, partly_tested=[*theme.partly_tested, *said], out_of_time=True)


def _masks(height: int, width: int, *, deep: bool) -> dict[str, Tensor]:
    side = max(2, round(SIDE_SHARE * min(height, width)))
    masks = {"centre": square_mask(height, width, side, "centre"), "corner": square_mask(height, width, side, "corner")}
    if deep:
        masks |= {"glasses": glasses_mask(height, width), "sign": sign_mask(height, width)}
    return {name: mask for name, mask in masks.items() if bool(mask.any())}


def _theme(
    context: ThemeContext,
    subject: ModelUnderTest,
    x: Tensor,
    masks: dict[str, Tensor],
    patches: dict[str, Tensor],
    rows: tuple[PatchAccuracy, ...],
    augmentation: PatchAugmentation,
) -> Theme:
    held = {(row.position, row.filling): row for row in rows}
    facts: dict[str, object] = {
        "n": len(x),
        "covered": {name: round(held[name, "black"].covered_share, 4) for name in masks},
        "right_with": {
            name: {filling: held[name, filling].accuracy.as_json() for filling in PATCH_FILLINGS} for name in masks
        },
        "varied": augmentation != NO_AUGMENTATION,
    }
    findings = []
    for name in masks:
        controls = min(held[name, filling].accuracy.interval[0] for filling in ("black", "white", "random"))
        own = held[name, "optimised"].accuracy
        if own.interval[1] < controls - HARMFUL:
            text = say(
                "trust.stickers.harmful",
                where=say(f"trust.stickers.places.{name}"),
                share=format_percent(held[name, "black"].covered_share, 0),
                after=format_metric(own.as_json()),
                without=format_metric(held[name, "none"].accuracy.as_json()),
            )
            findings.append(Finding(key=f"sticker_{name}", gravity="attention", text=text))
    heads = ["", *(say(f"trust.stickers.fillings.{filling}") for filling in PATCH_FILLINGS)]
    table = [
        [
            say(f"trust.stickers.places.{name}") + f" ({format_percent(held[name, 'black'].covered_share, 1)})",
            *(format_metric(held[name, filling].accuracy.as_json()) for filling in PATCH_FILLINGS),
        ]
        for name in masks
    ]
    note = (
        say("trust.stickers.note", n=len(x))
        + " "
        + say("trust.stickers.varied" if augmentation != NO_AUGMENTATION else "trust.stickers.still")
    )
    blocks: list[Block] = [
        Grid(title=say("trust.stickers.right_with"), heads=heads, rows=table, right=(1, 2, 3, 4, 5), note=note),
        _gallery(x, masks, patches),
    ]
    files = {f"sticker-{name}.png": printable_patch(patches[name], mask) for name, mask in masks.items()}
    return Theme(
        name="stickers",
        facts=facts,
        blocks=blocks,
        findings=findings,
        files=files,
        untested=[say("trust.stickers.untested")],
        partly_tested=hardly_tested(context, len(x)),
    )


def _gallery(x: Tensor, masks: dict[str, Tensor], patches: dict[str, Tensor]) -> ImageGallery:
    captioned_images = []
    for name, mask in masks.items():
        placement = sample_placement(1, mask, NO_AUGMENTATION, torch.Generator().manual_seed(0))
        with_it = apply_patch(x[:1], patches[name], mask, placement)[0]
        captioned_images.append(
            CaptionedImage(image=image_to_array(with_it), caption=say(f"trust.stickers.places.{name}"))
        )
    return ImageGallery(title=say("trust.stickers.shown"), images=captioned_images, note=say("trust.stickers.print"))


def printable_patch(patch: Tensor, mask: Tensor) -> bytes:
    """Return the patch as a PNG to be printed 5 cm wide at 300 dots per inch."""
    pixels = patch_image(patch, mask)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    times = max(1, PRINT_SIDE // max(image.size))
    stream = io.BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(
        stream, "PNG", dpi=(300, 300)
    )
    return stream.getvalue()
