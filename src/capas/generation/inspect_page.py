"""One page that shows what a class-conditioned VAE has learnt: samples of every class, and every factor traversed."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from capas.core.html import render_html
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.data.image.io import encode_png
from capas.generation.latent_editor import Factor, LatentEditor

# By which an earlier page is told from a file of the user's.
MARK: Final = '<meta name="generator" content="capas edit"/>'
TEMPLATE: Final = Path(__file__).parent / "inspect_page.html"
STYLE: Final = Markup(
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{padding:.2rem .6rem;text-align:left}td.number{text-align:right}"
    "img{image-rendering:pixelated;max-width:100%;height:auto;min-height:2.5rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}}"
)
SHOWN: Final = 12
SCALE: Final = 2


def inspect_page(editor: LatentEditor, name: str) -> tuple[Markup, list[Factor]]:
    """Return the page, which works offline, and the factors in its order.

    Factors are traversed from the middle of the first class; of the shared latent the middle is 0.
    """
    factors = editor.factors()
    first = editor.classes[0]
    shared = tuple(0.0 for _ in range(editor.sizes[1]))
    (drawn,) = editor.samples(first, 1)
    middle = replace(editor.with_class(drawn, first), shared_latent=shared)
    samples = [
        {"name": one, **_sheet(editor.images(editor.samples(one, SHOWN)), say("edit.page.samples_of", name=one))}
        for one in editor.classes
    ]
    rows = [
        {
            "name": factor.name, "divergence": format_decimal(factor.divergence, 2),
            **_sheet(editor.traversal(middle, factor.name), say("edit.page.traversal_of", name=factor.name)),
        }
        for factor in factors
    ]  # fmt: skip
    values = {
        "title": say("edit.page.title", name=name), "style": STYLE, "mark": Markup(MARK), "samples": samples,
        "factors": rows,
    }  # fmt: skip
    return render_html(TEMPLATE, values), factors


def _sheet(image: NDArray[np.uint8], alt: str) -> dict[str, object]:
    source = "data:image/png;base64," + base64.b64encode(encode_png(image)).decode()
    return {"source": source, "alt": alt, "height": SCALE * image.shape[0]}
