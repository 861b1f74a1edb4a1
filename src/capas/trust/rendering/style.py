"""How the report looks, in ``report.css``: colours that people who see them differently tell apart (after Okabe and
Ito), and a sign or a word beside every one.
"""

from pathlib import Path

STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
