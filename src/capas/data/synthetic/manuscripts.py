"""Synthetic manuscripts: pages of notarial Spanish, drawn with handwriting fonts on stained paper, with ALTO.

They serve to try the archive without data of one's own; figures on them say nothing about real hands. The fonts
(``hands/``, each with its licence, the SIL Open Font License) are modern ones in the manner of old hands; the last hand
is for testing only. Everything is drawn from the seed.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.rng import derive_seed
from capas.page_formats.alto_write import to_alto
from capas.page_formats.page import Box, Line, Page, Points, Region
from capas.page_formats.provenance import Provenance

FONT_SIZES: Final = {
    "meddon": 34,
    "la-belle-aurore": 46,
    "mr-de-haviland": 62,
    "herr-von-muellerhoff": 62,
}  # sizes in pixels
FONT_FOLDER: Final = Path(__file__).parent / "hands"
VERSION: Final = 1  # of what is drawn from a seed
WIDTH, HEIGHT = 1240, 1754  # A4 at 150 dots per inch
LEFT, RIGHT, TOP, BOTTOM = 190, 110, 190, 130
LEADING: Final = 66
CREATED: Final = "2000-01-01T00:00:00+00:00"  # of what is drawn from a seed

_NAMES = (
    "Juan",
    "Pedro",
    "Diego",
    "Francisco",
    "Alonso",
    "Catalina",
    "Isabel",
    "Beatriz",
    "Leonor",
    "María",
    "Hernando",
)
_SURNAMES = ("de Toledo", "Gutiérrez", "Ortiz", "de Zúñiga", "Maldonado", "de la Cueva", "Núñez", "Sánchez", "del Río")
_PLACES = ("Sevilla", "Cádiz", "Veracruz", "La Habana", "Triana", "Sanlúcar", "Cartagena", "Lima", "Burgos")
_TRADES = ("mercader", "escribano público", "maestre de nao", "sastre", "carpintero", "tonelero", "piloto", "vecino")
_GOODS = ("vino añejo", "aceite", "paños de Segovia", "azúcar", "cera", "cueros", "trigo", "grana", "perlas", "jabón")
_COUNTS = ("dos", "tres", "cinco", "siete", "diez", "doce", "veinte", "treinta", "cuarenta", "cien")
_MONEY = ("ducados", "maravedíes", "reales de plata", "pesos de oro", "escudos")
_MONTHS = ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "octubre", "diciembre")
_SENTENCES = (
    "Sepan cuantos esta carta vieren cómo yo {name} {surname}, {trade} de la ciudad de {place}, otorgo y "
    "conozco que debo dar y pagar a {name2} {surname2} {count} {money} por razón de {count2} arrobas de "
    "{goods} que de él recibí.",
    "Y me obligo de los pagar en {place} dentro de {count} meses cumplidos primeros siguientes, "
    "llanamente y sin pleito.",
    "Otrosí digo que la nao surta en el puerto de {place} lleva {count} pipas de {goods} y {count2} "
    "fardos de {goods2}.",
    "Fecha la carta en {place} a {count} días del mes de {month}, siendo testigos {name} {surname} y "
    "{name2} {surname2}.",
    "Doy poder cumplido a {name} {surname}, {trade}, para que en mi nombre cobre de {name2} {surname2} "
    "los {count} {money}.",
    "Mando que se digan por mi ánima {count} misas en la iglesia de {place} y se paguen de mis bienes "
    "{count2} {money}.",
    "Dejo a mi hija {name} la casa que tengo en {place}, con su huerta, y {count} {money} para su dote y casamiento.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _PageStyle:
    """How one page is written: slant, ink and paper in grey levels, how much shows through from behind."""

    hand: str
    slant: float
    ink: int
    paper: int
    through: float
    skew: float


def make_manuscripts(folder: Path, *, pages: int = 12, test_pages: int = 4, seed: int = 0) -> Path:
    """Draw pages into ``folder/train`` and ``folder/test``, each a JPEG with its ALTO; existing files are overwritten.

    Half of the test pages are in the training hands, half in a hand that training does not have.

    Raises:
        CapasError: The files cannot be written.
    """
    hands = list(FONT_SIZES)
    for number in range(pages):
        _page(folder / "train", number, hands[number % (len(hands) - 1)], seed)
    for number in range(test_pages):
        _page(folder / "test", pages + number, hands[-1] if number % 2 else hands[number // 2 % (len(hands) - 1)], seed)
    return folder


def _page(folder: Path, number: int, hand: str, seed: int) -> None:
    random_source = random.Random(derive_seed(seed, "manuscript", number))
    style = _PageStyle(
        hand=hand,
        slant=random_source.uniform(-0.08, 0.18),
        ink=random_source.randint(25, 75),
        paper=random_source.randint(205, 238),
        through=random_source.uniform(0, 0.12),
        skew=random_source.uniform(-0.012, 0.012),
    )
    lines, ink = _written(random_source, style)
    picture = _on_paper(ink, random_source, style)
    name = f"{number + 1:03d}_{hand}"
    box = Box(left=LEFT - 40, top=TOP - 70, right=WIDTH - RIGHT + 30, bottom=HEIGHT - 40)
    region = Region(id="r1", kind="MainZone", polygon=box.corners)
    page = Page(width=WIDTH, height=HEIGHT, image=f"{name}.jpg", regions=(region,), lines=lines)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{name}.jpg", quality=88)
    except OSError as error:
        raise CapasError("cannot_write", where=folder, received=error.strerror or str(error)) from error
    write_atomic(folder / f"{name}.xml", to_alto(page, Provenance(created=CREATED)))


def _written(random_source: random.Random, style: _PageStyle) -> tuple[tuple[Line, ...], Image.Image]:
    """The lines of a page and its ink, 255 where there is all of it."""
    ink = Image.new("L", (WIDTH, HEIGHT), 0)
    font = ImageFont.truetype(FONT_FOLDER / f"{style.hand}.woff2", FONT_SIZES[style.hand])
    words, lines, y = _text(random_source).split(), list[Line](), float(TOP)
    while words and y < HEIGHT - BOTTOM:
        text, indent = words.pop(0), random_source.randint(-6, 10)
        while words and LEFT + indent + font.getlength(f"{text} {words[0]}") < WIDTH - RIGHT:
            text += " " + words.pop(0)
        lines.append(_line(ink, text, LEFT + indent, y, font, style, len(lines)))
        y += LEADING + random_source.uniform(-4, 4)
    return tuple(lines), ink


def _line(
    ink: Image.Image, text: str, x: float, y: float, font: ImageFont.FreeTypeFont, style: _PageStyle, number: int
) -> Line:
    """Write one line, slanted and askew, on ``ink``; ``y`` is that of its baseline at the left margin."""
    length, margin = math.ceil(font.getlength(text)), LEADING
    strip = Image.new("L", (length + 2 * margin, 2 * LEADING), 0)
    ImageDraw.Draw(strip).text((margin, LEADING * 1.3), text, fill=255, font=font, anchor="ls")
    base = LEADING * 1.3
    slanted = strip.transform(
        strip.size, Image.Transform.AFFINE, (1, style.slant, -style.slant * base, -style.skew, 1, style.skew * margin),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    left, top = round(x) - margin, round(y + style.skew * (x - LEFT) - base)
    ink.paste(255, (left, top), slanted)
    y = top + base
    ends: Points = ((x, y), (x + length, y + style.skew * length))
    up, down = 0.68 * LEADING, 0.36 * LEADING
    polygon = (
        (ends[0][0] - 8, ends[0][1] - up), (ends[1][0] + 14, ends[1][1] - up),
        (ends[1][0] + 14, ends[1][1] + down), (ends[0][0] - 8, ends[0][1] + down),
    )  # fmt: skip
    return Line(id=f"l{number + 1}", baseline=ends, polygon=polygon, text=text, region="r1", order=number)


def _text(random_source: random.Random) -> str:
    """About a page of it."""
    return " ".join(
        random_source.choice(_SENTENCES).format(
            name=random_source.choice(_NAMES),
            name2=random_source.choice(_NAMES),
            surname=random_source.choice(_SURNAMES),
            surname2=random_source.choice(_SURNAMES),
            place=random_source.choice(_PLACES),
            trade=random_source.choice(_TRADES),
            goods=random_source.choice(_GOODS),
            goods2=random_source.choice(_GOODS),
            count=random_source.choice(_COUNTS),
            count2=random_source.choice(_COUNTS),
            money=random_source.choice(_MONEY),
            month=random_source.choice(_MONTHS),
        )
        for _ in range(14)
    )


def _on_paper(ink: Image.Image, random_source: random.Random, style: _PageStyle) -> NDArray[np.uint8]:
    """Ink of uneven strength on paper with clouds, stains, a darker edge, and what shows through from the other
    side."""
    rng = np.random.default_rng(random_source.getrandbits(32))
    clouds = _clouds(rng, 9) * 5 + _clouds(rng, 40) * 3
    paper = style.paper + clouds + rng.normal(0, 2.5, (HEIGHT, WIDTH))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    for _ in range(random_source.randint(1, 4)):
        spread, at = random_source.uniform(30, 170), (random_source.uniform(0, WIDTH), random_source.uniform(0, HEIGHT))
        distance = np.hypot(x - at[0], y - at[1]) / spread
        paper -= random_source.uniform(6, 26) * np.exp(-(distance**4))
    edge = np.minimum.reduce([x, y, WIDTH - x, HEIGHT - y])
    paper -= 35 * np.exp(-edge / 25)
    written = np.asarray(ink.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32) / 255
    behind = np.asarray(ink.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(2.5)))
    strength = np.clip(0.85 + 0.25 * _clouds(rng, 60), 0.3, 1)
    paper -= style.through * (paper - style.ink) * behind / 255
    found = paper * (1 - written * strength) + style.ink * written * strength
    tint = np.array([1.0, 0.955, 0.86])
    picture: NDArray[np.uint8] = (found[:, :, None] * tint).clip(0, 255).astype(np.uint8)
    return picture


def _clouds(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Smooth noise with a deviation of about 1, so many cells wide."""
    coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
    whole = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(whole, dtype=np.float32)
