"""Transcripts: jiwer's figures on plain texts, NIST's forms, and complaints that name the line."""

import itertools
import json
from pathlib import Path

import pytest

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import metrics_with_intervals
from capas.evaluation.results import EvaluationResult
from capas.evaluation.scorers import evaluate_files
from capas.evaluation.speech.alternatives import nearest_wording, parse_alternatives
from capas.evaluation.speech.recognition import aligned_text, speech_inputs
from capas.evaluation.speech.text_normalisation import TextNormalisation, normalise_text, read_rewrites
from capas.metrics.edit_distance import count_edits
from tests.harness import FIXTURES

RECORDED = json.loads((FIXTURES / "score" / "jiwer.json").read_text(encoding="utf-8"))
STM = """;; a comment
talk 1 Ana 0.0 4.0 <o,f0> hello {going to / gonna} see (uh) the cat
talk 1 Ben 4.0 8.0 yes I do
talk 1 Ben 8.0 9.0 ignore_time_segment_in_scoring
other A Ana 0.0 5.0 nothing here
"""
CTM = """talk 1 1.1 0.4 gonna 0.5
talk 1 0.1 0.4 hello 0.9
talk 1 2.1 0.4 see
talk 1 2.6 0.4 the
talk 1 3.9 0.4 yes
talk 1 5.1 0.4 I
talk 1 8.1 0.4 junk
talk 1 9.5 0.4 outside
"""


def made(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def values(found: EvaluationResult) -> dict[str, float]:
    return {figure.name: figure.value for figure in metrics_with_intervals(found.measured)}


def refused(key: str, where: str, reference: Path, hypothesis: Path, **given: str | bool) -> None:
    with pytest.raises(CapasError) as caught:
        evaluate_files("speech", reference, hypothesis, given)
    assert (caught.value.key, caught.value.where) == (key, where) and str(caught.value)


def test_plain_texts_give_jiwers_figures() -> None:
    found = evaluate_files("speech", made("r.txt", "\n".join(RECORDED["references"]) + "\n"),
                  made("h.txt", "\n".join(RECORDED["hypotheses"]) + "\n"))  # fmt: skip
    assert values(found) == pytest.approx({"wer": RECORDED["wer"], "cer": RECORDED["cer"]}, abs=1e-12)
    assert all(found.counts[name] == RECORDED[name] for name in ("substitutions", "deletions", "insertions"))


def test_a_ctm_is_laid_into_the_utterances_of_an_stm() -> None:
    found = evaluate_files("speech", made("r.stm", STM), made("h.ctm", CTM))
    # "yes" has its midpoint in Ben's utterance, "gonna" is allowed, "uh" may be missing, "cat" is missing.
    assert found.counts == {
        "substitutions": 0,
        "deletions": 4,
        "insertions": 0,
        "hits": 6,
        "words": 10,
        "utterances": 3,
    }
    assert values(found)["wer"] == pytest.approx(0.4)
    assert [figure.n for figure in metrics_with_intervals(found.measured)] == [
        10,
        len("hello gonna see the cat yes I do nothing here") - 2,
    ]
    speakers = next(table for table in found.tables if table.name == "speakers")
    assert [row[:2] for row in speakers.rows] == [("Ana", 7), ("Ben", 3)]
    assert [figure["value"] for figure in (row["wer"] for row in speakers.as_json())] == [  # type: ignore[index]
        round(3 / 7, 6), round(1 / 3, 6)
    ]  # fmt: skip
    assert len(found.lacks) == 3 and "1" in found.lacks[0]
    assert speech_inputs(Path("r.stm"), {}) == ("talk 1 0 4", "talk 1 4 8", "other A 0 5")


def test_an_stm_as_hypothesis_and_perfect_answers() -> None:
    reference = made("r.stm", "f 1 A 0 2 one {two / 2}\nf 1 B 2 4 three\n")
    found = evaluate_files("speech", reference, made("h.stm", "f 1 x 2.1 3.9 three\nf 1 x 0 2 one 2\n"))
    assert values(found) == {"wer": 0, "cer": 0} and found.lacks == ()


def test_ids_folders_and_what_is_missing() -> None:
    reference, hypothesis = made("r.txt", "u1\ta b c\nu2\td e\n"), made("h.txt", "u2\td x\n")
    found = evaluate_files("speech", reference, hypothesis)
    assert values(found)["wer"] == pytest.approx(4 / 5) and "u1" in found.lacks[0]
    kaldi = evaluate_files("speech", made("r/text", "u1 a b c\nu2 d e\n"), made("h/text", "u2 d x\n"))
    assert values(kaldi) == values(found)
    made("refs/one.txt", "a b c"), made("refs/sub/two.txt", "d e\n"), made("hyps/sub/two.txt", "d x")
    assert values(evaluate_files("speech", Path("refs"), Path("hyps"))) == values(found)


def test_rules_of_writing() -> None:
    every = TextNormalisation(
        ignore_case=True, ignore_punctuation=True, ignore_diacritics=True, fillers=frozenset({"Éh"})
    )
    assert normalise_text("«¡Éh! ¿Cómo está, D. José-Luis?» 3,5 %", every) == "como esta d jose-luis 3,5"
    assert normalise_text("Cafe\u0301", TextNormalisation()) == "Café"
    rewrites = read_rewrites(
        made("glm", ";; x\ndon't => do not\n[can] => [be able to] / [ ] __ [ ]\ngoing to\tgonna\n")
    )
    assert (
        normalise_text("I DON'T can going to", TextNormalisation(rewrites=rewrites, ignore_case=True))
        == "i do not be able to gonna"
    )
    assert normalise_text("I DON'T", TextNormalisation(rewrites=rewrites)) == "I DON'T"


def test_each_rule_forgives_what_it_says() -> None:
    reference, hypothesis = made("r.txt", "Sí, señor, eh, don't\n"), made("h.txt", "si senor do not\n")
    options: dict[str, str | bool] = {"ignore_case": True, "ignore_punctuation": True, "ignore_diacritics": True,
                                      "fillers": "eh,um", "glm": str(made("glm", "don't => do not\n"))}  # fmt: skip
    assert values(evaluate_files("speech", reference, hypothesis, options))["wer"] == 0
    for left_out in options:
        assert values(
            evaluate_files("speech", reference, hypothesis, {k: v for k, v in options.items() if k != left_out})
        )["wer"]


@pytest.mark.parametrize("hypothesis", [["a"], ["b", "c"], ["a", "x", "d"], ["c", "d"], [], ["a", "a", "b", "c", "d"]])
def test_the_nearest_wording_is_nearest_of_all(hypothesis: list[str]) -> None:
    slots = parse_alternatives("{a / {b / a b} c / @} (x) {d / c d}", "")
    every = [tuple(word for words in choice for word in words) for choice in itertools.product(*slots)]
    chosen = nearest_wording(slots, hypothesis)
    assert chosen in every
    assert count_edits(chosen, hypothesis).distance == min(count_edits(one, hypothesis).distance for one in every)


def test_the_alignment_shows_the_errors_that_are_counted() -> None:
    for reference, hypothesis in zip(RECORDED["references"], RECORDED["hypotheses"], strict=True):
        above, below = (line.split() for line in aligned_text(reference.split(), hypothesis.split()))
        counted = count_edits(reference.split(), hypothesis.split())
        assert len(above) == len(below)
        assert (below.count("***"), above.count("***")) == (counted.deletions, counted.insertions)
        assert sum(a == b for a, b in zip(above, below, strict=True)) == counted.hits


def test_what_is_wrong_is_refused_with_its_line() -> None:
    stm, two = made("r.stm", STM), made("r.txt", "a\nb\n")
    refused("score_unknown_channel", "h.ctm:1", stm, made("h.ctm", "talk 2 0 1 x\n"))
    refused("score_backwards", "h.ctm:2", stm, made("h.ctm", "talk 1 0 1 x\ntalk 1 3 -1 x\n"))
    refused("score_number", "h.ctm:1", stm, made("h.ctm", "talk 1 zero 1 x\n"))
    refused("score_fields", "h.ctm:1", stm, made("h.ctm", "talk 1 0 1\n"))
    refused("score_ctm_alternatives", "h.ctm:1", stm, made("h.ctm", "talk 1 0 1 <ALT_BEGIN>\n"))
    refused("score_forms", "h.ctm", two, made("h.ctm", CTM))
    refused("score_ctm_reference", "h.ctm", Path("h.ctm"), Path("h.ctm"))
    refused("score_backwards", "b.stm:1", made("b.stm", "f 1 A 4 3 x\n"), made("h.ctm", CTM))
    refused("score_braces", "c.stm:1", made("c.stm", "talk 1 A 0 3 {x / y\n"), made("h.ctm", "talk 1 0 1 x\n"))
    refused("score_line_count", "h.txt", two, made("h.txt", "a\n"))
    refused("table_encoding", "h.txt:2", two, made("h.txt", b"a\nb\xff\n"))
    refused("score_no_file", "none.txt", two, Path("none.txt"))
    refused("score_twice", "d.txt:2", made("d.txt", "u\ta\nu\tb\n"), made("h.txt", "u\ta\n"))
    refused("score_unknown_id", "h.txt:1", made("e.txt", "u\ta\n"), made("h.txt", "v\ta\n"))
    refused("score_glm", "glm:2", two, two, glm=str(made("glm", "a => b\nword\n")))
    refused("score_option", "--collar", two, two, collar="1")
    refused("score_option_value", "--ids", two, two, ids="perhaps")
