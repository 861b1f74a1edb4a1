"""MAPSSWE: a case by hand, NIST's own program on recorded alignments, and what stands on the screen."""

import json
import math

import pytest

from capas.evaluation.scorers import evaluate_files
from capas.evaluation.speech.mapsswe import UtteranceErrors, mapsswe, segment_errors, utterance_errors
from capas.evaluation.speech.word_alignment import align_transcripts
from tests.evaluation.speech.test_recognition import made
from tests.harness import FIXTURES, capas_here

RECORDED = json.loads((FIXTURES / "score" / "mapsswe.json").read_text(encoding="utf-8"))


def errors(reference: str, hypothesis: str) -> UtteranceErrors:
    return utterance_errors(align_transcripts(reference.split(), hypothesis.split()))


def test_segments_by_hand() -> None:
    words = "a b c d e f g h"
    # b is wrong in the first, d in the second: one right word (c) between them joins them; e and f part them from g.
    first, second = errors(words, "a x c d e f g h"), errors(words, "a b c y e f h")
    assert segment_errors(first, second) == [(1, 1), (0, 1)]
    assert segment_errors(errors(words, "a b c d e f g h"), errors(words, words)) == []
    # An insertion between two right words parts them as little as a wrong word would.
    assert segment_errors(errors(words, "a x c z d e f g h"), errors(words, words)) == [(2, 0)]
    assert segment_errors(errors(words, "z a b c d e f g h"), errors(words, words + " i j")) == [(1, 0), (0, 2)]
    assert segment_errors(errors("going to go", "going to stop"), errors("gonna go", "going go")) == [(1, 1)]


def test_the_statistic_by_hand() -> None:
    words = "a b c d e f g h i"
    first = [errors(words, "x x c d e f g h x"), errors(words, "x b c d e f g h i"), errors(words, words)]
    second = [errors(words, words), errors(words, "a b c x e f g h i"), errors(words, "a b c d e f g h")]
    found = mapsswe(first, second)
    # Segments: (2, 0), (1, 0); (1, 0), (0, 1); (0, 1): differences 2, 1, 1, −1, −1.
    assert (found.segments, found.errors) == (5, (4, 2)) and found.mean == pytest.approx(0.4)
    deviation = math.sqrt((1.6**2 + 2 * 0.6**2 + 2 * 1.4**2) / 4)
    assert found.deviation == pytest.approx(deviation)
    assert found.statistic == pytest.approx(0.4 / (deviation / math.sqrt(5)))
    assert found.p == pytest.approx(2 * (1 - 0.5 * (1 + math.erf(found.statistic / math.sqrt(2)))))
    assert not found.shown and not found.first_is_better
    back = mapsswe(second, first)
    assert back.mean == -found.mean and back.p == found.p and back.first_is_better


def test_on_nists_alignments_it_gives_nists_figures() -> None:
    first, second = (
        [utterance_errors([(a, b) for a, b in pairs]) for pairs in system] for system in RECORDED["alignments"]
    )
    found = mapsswe(first, second)
    assert (found.segments, list(found.errors)) == (RECORDED["segments"], RECORDED["errors"])
    for name in ("mean", "deviation", "statistic"):
        assert getattr(found, name) == pytest.approx(RECORDED[name], abs=6e-4)
    assert found.shown is RECORDED["different"]


def test_without_two_different_segments_there_is_no_test() -> None:
    same = mapsswe([errors("a b", "a x")], [errors("a b", "a b")])
    assert same.segments == 1 and same.p is None and not same.shown
    alike = mapsswe([errors("a b", "a x")] * 4, [errors("a b", "a b")] * 4)
    assert alike.segments == 4 and alike.p is None, "nothing to judge the difference by"
    with pytest.raises(ValueError, match="zip"):
        mapsswe([errors("a", "a")], [])


def test_capas_score_shows_it_beside_the_bootstrap(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (
        ["\n".join(" ".join(said for _, said in pairs if said) for pairs in system) + "\n"]
        for system in RECORDED["alignments"]
    )
    reference = "\n".join(" ".join(w for w, _ in pairs if w) for pairs in RECORDED["alignments"][0]) + "\n"
    files = made("r.txt", reference), made("one.txt", first[0]), made("two.txt", second[0])
    words = ("score", "speech", *files[:2], "--against", files[2])
    against = json.loads(capas_here(capsys, *words, "--json").out)["against"]
    found = against["matched_pairs"]
    assert found["errors"][0] == sum(evaluate_files("speech", *files[:2]).counts[k] for k in
                                     ("substitutions", "deletions", "insertions"))  # fmt: skip
    assert found["shown"] and found["mean"] > 0 and abs(found["segments"] - RECORDED["segments"]) <= 10
    assert found["p"] == pytest.approx(against["differences"]["wer"]["p"], abs=0.05)
    said = capas_here(capsys, *words).out.replace("\n", " ").split("Matched pairs")[1]
    assert f"{found['segments']} segments" in said and "two.txt is better" in said
    hint = capas_here(capsys, "score", "speech", made("a", "a b\nc d\n"), made("b", "x b\nc d\n"), "--against",
                      made("c", "a b\ny z\n")).out  # fmt: skip
    assert "only a hint" in hint
