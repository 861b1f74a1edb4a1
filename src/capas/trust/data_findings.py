"""What ``look`` found in the data before training, as the run's ``decision.json`` keeps it: it belongs into the report.

A copy in two classes or a text length that tells the class is as much a reason for doubt as what is found afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from capas.core.i18n import say
from capas.engine.run import Run
from capas.trust.rendering.blocks import Sentence
from capas.trust.theme import Finding
from capas.trust.verdict import DATA

# Kinds of problem by which a test may flatter a model, or say nothing about a part of it.
DOUBTFUL: Final = frozenset({
    "shortcut", "confounded", "given_away", "leak", "near_leak", "contradictory_labels", "alike_apart",
    "class_not_in_train", "class_not_in_test", "one_class_in_test", "class_names_alike",
})  # fmt: skip


def data_problems(run: Run) -> list[Mapping[str, object]]:
    """Return the problems: ``kind``, ``severity``, ``count``, ``examples``, ``what`` and ``advice``, as ``look`` does.

    Raises:
        CapasError: ``run_damaged``.
    """
    held = run.read_json(run.decision).get("problems", []) if run.decision.is_file() else []
    return [problem for problem in held if isinstance(problem, Mapping)] if isinstance(held, list) else []


def problem_sentences(problems: Sequence[Mapping[str, object]]) -> list[Sentence]:
    """Return every problem as a sentence with what to do about it, those that do harm marked."""
    return [
        Sentence(text=_text(problem), tone="plain" if problem.get("severity") == "note" else "attention")
        for problem in problems
    ]


def data_findings(problems: Sequence[Mapping[str, object]]) -> list[Finding]:
    """Return those that make the figures of the test doubtful as findings; the others stand on the page only."""
    return [
        Finding(key=f"{DATA}{problem['kind']}", gravity="attention", text=_text(problem))
        for problem in problems
        if problem.get("kind") in DOUBTFUL and problem.get("severity") != "note"
    ]


def _text(problem: Mapping[str, object]) -> str:
    return say("trust.look.first", what=str(problem["what"]), advice=str(problem["advice"]))
