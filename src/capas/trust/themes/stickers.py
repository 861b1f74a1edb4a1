"""Does a sticker fool it? One patch for all pictures, made on training pictures and judged on test pictures, beside
black, white and random ones in the same places.
"""

import io
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from capas.core.figures import figure_text, percent
from capas.core.messages import say
from capas.engine.recipes.pictures import PictureReader
from capas.trust.asked import Asked
from capas.trust.blocks import Block, Gallery, Grid, Shown
from capas.trust.pixels import Pixels, as_array, as_shares
from capas.trust.sticker_places import STILL, Variety, draw_placement, glasses_mask, sign_mask, square_mask, stick
from capas.trust.stickers import FILLINGS, StickerConfig, StickerRow, optimise_sticker, sticker_pixels, sticker_table
from capas.trust.subject import Subject
from capas.trust.theme import Finding, Theme

SIDE_SHARE: Final = 0.25  # a sixteenth of the picture
LEARNT_ON, JUDGED_ON, JUDGED_LARGE = 1000, 300, 24
PRINT_SIDE = 600  # pixels: 5 cm at 300 dots per inch
HARMFUL = 0.1


def stickers(asked: Asked) -> Theme:
    """See the module."""
    subject = asked.subject
    if asked.case.medium != "image":
        return Theme(name="stickers", not_computed_because=say("trust.stickers.only_pictures"))
    if subject is None or not isinstance(subject.reader, PictureReader) or subject.case.task != "classify":
        return Theme(name="stickers", not_computed_because=say("trust.many.no_stickers"))
    if asked.level == "quick":
        return Theme(name="stickers", not_computed_because=say("trust.not_in_quick"))
    height, width = subject.reader.preparation.shape[1:]
    large = subject.costly
    masks = _masks(height, width, deep=asked.level == "deep")
    forward, rng = Pixels(subject.reader), subject.case.chance("stickers")
    variety = Variety() if asked.level == "deep" else STILL
    config = StickerConfig(steps=12 if large else 100, batch=12 if large else 64, variety=variety)
    learnt = as_shares(subject.train.prepared[: (100 if large else LEARNT_ON)])
    targets = subject.train.targets[: len(learnt)]
    patches = {}
    for number, (name, mask) in enumerate(masks.items()):
        patches[name] = optimise_sticker(forward, learnt, targets, mask, rng, config=config)
        asked.progress(number + 1, len(masks) + 1)
    chosen = torch.randperm(len(subject.test), generator=rng)[: JUDGED_LARGE if large else JUDGED_ON]
    x, y = as_shares([subject.test.prepared[i] for i in chosen.tolist()]), subject.test.targets[chosen]
    rows = sticker_table(forward, x, y, masks, patches, rng, variety=variety, batch=16 if large else 256)
    return _theme(subject, x, masks, patches, rows, variety)


def _masks(height: int, width: int, *, deep: bool) -> dict[str, Tensor]:
    side = max(2, round(SIDE_SHARE * min(height, width)))
    masks = {"centre": square_mask(height, width, side, "centre"), "corner": square_mask(height, width, side, "corner")}
    if deep:
        masks |= {"glasses": glasses_mask(height, width), "sign": sign_mask(height, width)}
    return {name: mask for name, mask in masks.items() if bool(mask.any())}


def _theme(
    subject: Subject,
    x: Tensor,
    masks: dict[str, Tensor],
    patches: dict[str, Tensor],
    rows: tuple[StickerRow, ...],
    variety: Variety,
) -> Theme:
    held = {(row.position, row.filling): row for row in rows}
    facts: dict[str, object] = {
        "n": len(x),
        "covered": {name: round(held[name, "black"].covered, 4) for name in masks},
        "right_with": {
            name: {filling: held[name, filling].accuracy.as_json() for filling in FILLINGS} for name in masks
        },
        "varied": variety != STILL,
    }
    findings = []
    for name in masks:
        controls = min(held[name, filling].accuracy.interval[0] for filling in ("black", "white", "random"))
        own = held[name, "optimised"].accuracy
        if own.interval[1] < controls - HARMFUL:
            text = say(
                "trust.stickers.harmful",
                where=say(f"trust.stickers.places.{name}"),
                share=percent(held[name, "black"].covered, 0),
                after=figure_text(own.as_json()),
                without=figure_text(held[name, "none"].accuracy.as_json()),
            )
            findings.append(Finding(key=f"sticker_{name}", gravity="attention", text=text))
    heads = ["", *(say(f"trust.stickers.fillings.{filling}") for filling in FILLINGS)]
    table = [
        [
            say(f"trust.stickers.places.{name}") + f" ({percent(held[name, 'black'].covered, 1)})",
            *(figure_text(held[name, filling].accuracy.as_json()) for filling in FILLINGS),
        ]
        for name in masks
    ]
    note = (
        say("trust.stickers.note", n=len(x))
        + " "
        + say("trust.stickers.varied" if variety != STILL else "trust.stickers.still")
    )
    blocks: list[Block] = [
        Grid(title=say("trust.stickers.right_with"), heads=heads, rows=table, right=(1, 2, 3, 4, 5), note=note),
        _gallery(x, masks, patches),
    ]
    files = {f"sticker-{name}.png": printable(patches[name], mask) for name, mask in masks.items()}
    return Theme(
        name="stickers",
        facts=facts,
        blocks=blocks,
        findings=findings,
        files=files,
        untested=[say("trust.stickers.untested")],
    )


def _gallery(x: Tensor, masks: dict[str, Tensor], patches: dict[str, Tensor]) -> Gallery:
    shown = []
    for name, mask in masks.items():
        placement = draw_placement(1, mask, STILL, torch.Generator().manual_seed(0))
        with_it = stick(x[:1], patches[name], mask, placement)[0]
        shown.append(Shown(picture=as_array(with_it), caption=say(f"trust.stickers.places.{name}")))
    return Gallery(title=say("trust.stickers.shown"), pictures=shown, note=say("trust.stickers.print"))


def printable(patch: Tensor, mask: Tensor) -> bytes:
    """The sticker as a PNG to be printed 5 cm wide at 300 dots per inch."""
    pixels = sticker_pixels(patch, mask)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    times = max(1, PRINT_SIDE // max(image.size))
    stream = io.BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(
        stream, "PNG", dpi=(300, 300)
    )
    return stream.getvalue()
