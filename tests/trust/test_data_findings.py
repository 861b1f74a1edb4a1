"""What was found in the data before training stands in the report; what makes its test doubtful is in the verdict."""

from pathlib import Path

from capas.core.files import write_json
from capas.core.i18n import has
from capas.engine.run import Run
from capas.trust.data_findings import DOUBTFUL, data_findings, data_problems, problem_sentences

PROBLEMS = [
    {"kind": "contradictory_labels", "severity": "warning", "what": "Two classes.", "advice": "Decide.", "count": 1},
    {"kind": "duplicates", "severity": "warning", "what": "A copy.", "advice": "Delete it.", "count": 1},
    {"kind": "given_away", "severity": "note", "what": "A hint.", "advice": "Look.", "count": 1},
]


def test_they_are_read_from_the_run(tmp_path: Path) -> None:
    run = Run(folder=tmp_path)
    assert data_problems(run) == []
    write_json(run.decision, {"problems": PROBLEMS})
    assert data_problems(run) == PROBLEMS


def test_what_makes_the_test_doubtful_is_a_finding_and_the_rest_is_not() -> None:
    (found,) = data_findings(PROBLEMS)
    assert (found.key, found.gravity, found.text) == ("data_contradictory_labels", "attention", "Two classes. Decide.")


def test_all_stand_on_the_page() -> None:
    said = [(sentence.text, sentence.tone) for sentence in problem_sentences(PROBLEMS)]
    assert said == [
        ("Two classes. Decide.", "attention"),
        ("A copy. Delete it.", "attention"),
        ("A hint. Look.", "plain"),
    ]


def test_every_doubtful_kind_is_one_that_look_finds() -> None:
    assert [kind for kind in DOUBTFUL if not has(f"problems.{kind}.what")] == []
