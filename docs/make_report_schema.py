"""Write docs/report.schema.json from the typed form of the file."""

import json
from pathlib import Path

from capas.trust.report_schema import ReportFile

PAGE = Path(__file__).parent / "report.schema.json"


def page() -> str:
    """The schema as the page has it."""
    return json.dumps(ReportFile.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
