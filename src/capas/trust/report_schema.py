"""The schema of ``report.json``, validated on writing and on reading."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from capas.trust.theme import Gravity, Status, ThemeName

FORMAT: Literal["capas-report"] = "capas-report"
VERSION: Literal[1] = 1


class ReportFilePart(BaseModel):
    """Base class of the parts of the file: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FoundPart(ReportFilePart):
    """A finding; ``key`` identifies it for scripts, ``text`` is in the report's language."""

    key: str
    gravity: Gravity
    text: str


class ThemePart(ReportFilePart):
    """One theme. ``facts`` differ by theme; a rate in them is {"value", "n", "interval"}."""

    status: Status
    facts: dict[str, object]
    findings: list[FoundPart]
    not_computed_because: str | None
    untested: list[str]
    partly_tested: list[str] = []
    out_of_time: bool = False
    seconds: float = Field(ge=0)


class ModelPart(ReportFilePart):
    """The audited model; ``weights`` is the hash of its weights."""

    name: str
    task: str
    medium: str
    network: str
    weights: str


class ReportFile(ReportFilePart):
    """The whole file.

    ``verdict`` is the first sentence, every finding and a next step; ``findings`` are sorted gravest first;
    ``data_problems`` is what ``look`` found in the data before training.
    """

    format: Literal["capas-report"] = FORMAT
    version: Literal[1] = VERSION
    run: str
    model: ModelPart
    level: Literal["quick", "standard", "deep"]
    language: Literal["en", "es"]
    verdict: str
    findings: list[FoundPart]
    data_problems: list[dict[str, object]] = []
    themes: dict[ThemeName, ThemePart] = Field(min_length=9, max_length=9)
    seconds: float = Field(ge=0)
    created: str
    capas: str
