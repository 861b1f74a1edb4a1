"""The result of one theme of the report: facts for machines, blocks for people, findings for the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from capas.trust.rendering.blocks import Block

ThemeName = Literal[
    "quality", "calibration", "ood", "explanations", "attacks", "stickers", "groups", "labels", "leakage"
]  # fmt: skip
THEMES: Final[tuple[ThemeName, ...]] = (
    "quality", "calibration", "ood", "explanations", "attacks", "stickers", "groups", "labels", "leakage",
)  # fmt: skip
Status = Literal["nothing_found", "partly_tested", "attention", "problem", "not_computed"]
Gravity = Literal["attention", "problem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that the reader must know.

    Attributes:
        key: Identifier for scripts.
        gravity: How grave it is.
        text: The sentence, in the user's language.
    """

    key: str
    gravity: Gravity
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """The result of one theme.

    Attributes:
        name: The theme.
        facts: Contents for ``report.json``.
        blocks: What the page shows.
        findings: What the verdict says.
        untested: What was not tested, in the user's language.
        partly_tested: Why what was found none of was hardly looked for: too few examples, say; in the user's language.
        files: Files beside the report, by name.
        not_computed_because: Why the theme was skipped; None where it was not.
        out_of_time: Whether its share of the report's time ended before it was done.
        seconds: Running time.
    """

    name: ThemeName
    facts: Mapping[str, object] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    findings: Sequence[Finding] = ()
    untested: Sequence[str] = ()
    partly_tested: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    not_computed_because: str | None = None
    out_of_time: bool = False
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The gravest of the findings; without any, whether enough was looked at to have found some."""
        if self.not_computed_because is not None:
            return "not_computed"
        found = {finding.gravity for finding in self.findings}
        if found:
            return "problem" if "problem" in found else "attention"
        return "partly_tested" if self.partly_tested else "nothing_found"

    def as_json(self) -> dict[str, object]:
        """Return the entry of ``report.json``."""
        return {
            "status": self.status,
            "facts": dict(self.facts),
            "findings": [{"key": f.key, "gravity": f.gravity, "text": f.text} for f in self.findings],
            "not_computed_because": self.not_computed_because,
            "untested": list(self.untested),
            "partly_tested": list(self.partly_tested),
            "out_of_time": self.out_of_time,
            "seconds": round(self.seconds, 1),
        }
