"""The style sheet of the report, ``report.css``.

A colour-blind-safe palette (after Okabe and Ito), with a sign or word beside each colour.
"""

from pathlib import Path

from capas.core.html import Markup

STYLE = Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8"))
