"""Search for terms: average precision against its definition, the term-weighted value by hand, matching."""

from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import metrics_with_intervals
from capas.evaluation.scorers import evaluate_files
from capas.evaluation.search.average_precision import RankedHits, average_precision, term_weighted_values
from capas.evaluation.search.occurrences import Occurrence, match_hits


def made(name: str, text: str) -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def defined(right: list[bool], scores: list[float], wanted: int) -> float:
    """AP by its definition: at every distinct score, the gain in recall times precision."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = [r for r, s in zip(right, scores, strict=True) if s >= threshold]
        recall = sum(taken) / wanted
        total, before = total + (recall - before) * sum(taken) / len(taken), recall
    return total


def test_average_precision_and_its_weighted_form() -> None:
    rng = torch.Generator().manual_seed(5)
    for _ in range(20):
        scores = (torch.randint(6, (30,), generator=rng) / 5).double()
        right = torch.rand(30, generator=rng) < 0.4
        files = torch.randint(4, (30,), generator=rng)
        occurrences = torch.tensor([[float((right & (files == f)).sum()) + 1] for f in range(4)]).double()
        ranked = RankedHits.of(files, torch.zeros(30, dtype=torch.long), right, scores, occurrences)
        weights = torch.tensor([[1.0, 1, 1, 1], [2, 0, 1, 1]]).double()
        found = average_precision(ranked, weights).tolist()
        for row, value in zip(weights, found, strict=True):
            copies = [i for i in range(30) for _ in range(int(row[files[i]]))]
            wanted = int((row @ occurrences)[0])
            assert value == pytest.approx(
                defined([bool(right[i]) for i in copies], [float(scores[i]) for i in copies], wanted)
            )


def test_the_term_weighted_value_is_nists() -> None:
    # Term 0: 2 occurrences, one found, one false alarm above the threshold; term 1: found below it.
    occurrences = torch.tensor([[2.0, 1.0]]).double()
    ranked = RankedHits.of(torch.zeros(3, dtype=torch.long), torch.tensor([0, 0, 1]), torch.tensor([True, False, True]),
                       torch.tensor([0.9, 0.7, 0.3]).double(), occurrences)  # fmt: skip
    actual, greatest = term_weighted_values(ranked, torch.ones(1, 1).double(), 10_002.0, 0.5)
    false_alarm = 999.9 / 10_000
    assert float(actual) == pytest.approx(1 - ((0.5 + false_alarm) + 1) / 2)
    assert float(greatest) == pytest.approx(1 - ((0.5 + false_alarm) + 0) / 2)
    empty = RankedHits.of(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0).bool(),
                      torch.zeros(0).double(), occurrences)  # fmt: skip
    assert [float(v) for v in term_weighted_values(empty, torch.ones(1, 1).double(), 100.0, 0.5)] == [0, 0]


def place(term: str, *where: float, score: float = 0.0) -> Occurrence:
    return Occurrence(term=term, file="f", place=where, where="", score=score)


def test_an_occurrence_is_found_once_by_the_best_hit() -> None:
    hits = [place("a", 1.0, 1.2, score=0.5), place("a", 1.1, 1.3, score=0.9), place("b", 1.0, 1.2, score=1.0)]
    found = match_hits(hits, [place("a", 1.0, 1.4)], matching="midpoint", tolerance_s=0.5, iou=0.5)
    assert found == [None, 0, None]


@pytest.mark.parametrize(
    ("matching", "hit", "same"),
    [("midpoint", (1.6, 2.0), True), ("midpoint", (1.9, 2.0), False), ("overlap", (1.39, 2.0), True),
     ("overlap", (1.4, 2.0), False), ("iou", (1.0, 1.75), True), ("iou", (1.0, 1.9), False)],
)  # fmt: skip
def test_when_a_time_fits(matching: str, hit: tuple[float, float], same: bool) -> None:
    options = {"matching": matching, "tolerance_s": 0.5, "iou": 0.5}
    found = match_hits([place("a", *hit)], [place("a", 1.0, 1.4)], **options)  # type: ignore[arg-type]
    assert (found == [0]) == same


def test_when_a_box_fits() -> None:
    for x, same in ((0.0, True), (3.3, True), (3.4, False)):
        found = match_hits([place("a", x, 0, 10, 10)], [place("a", 0, 0, 10, 10)], matching="midpoint", tolerance_s=0,
                         iou=0.5)  # fmt: skip
        assert (found == [0]) == same


def test_a_search_from_files() -> None:
    reference = made("r.csv", "term,file,start,end\ncat,a,1,2\ncat,b,1,2\ndog,a,5,6\n,c,,\n".replace(",c,,", ",c,0,0"))
    hypothesis = made(
        "h.csv", "term,file,start,end,score\ncat,a,1,2,0.9\ncat,c,1,2,0.8\ncat,b,1,2,0.7\nfox,a,1,2,0.99\n"
    )
    found = evaluate_files("detection", reference, hypothesis, {"trials": 1000})
    values = {figure.name: figure.value for figure in metrics_with_intervals(found.measured)}
    cat = 0.5 * 1 + 0.5 * 2 / 3
    assert values["mean_average_precision"] == pytest.approx(cat / 2)
    assert values["global_average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert values["twv"] == pytest.approx(1 - (999.9 / 998 + 1) / 2)
    assert values["maximum_twv"] == pytest.approx(0.25) and found.counts["never_found"] == 1
    assert "fox" in found.notes[1] and len(found.measured.units) == 3
    perfect = made("p.csv", "term,file,start,end,score\ncat,a,1,2,1\ncat,b,1,2,1\ndog,a,5,6,1\n")
    assert all(
        f.value == 1
        for f in metrics_with_intervals(evaluate_files("detection", reference, perfect, {"trials": 1000}).measured)
    )


@pytest.mark.parametrize(
    ("key", "where", "text"),
    [("score_unknown_file", "h.csv:2", "term,file,start,end,score\ncat,z,1,2,1\n"),
     ("score_backwards", "h.csv:2", "term,file,start,end,score\ncat,a,2,1,1\n"),
     ("score_number", "h.csv:2", "term,file,start,end,score\ncat,a,1,2,high\n"),
     ("score_column", "h.csv:1", "term,file,start,end\ncat,a,1,2\n"),
     ("score_places", "h.csv:2", "term,file,x,y,w,h,score\ncat,a,1,2,3,4,1\n"),
     ("score_backwards", "h.csv:2", "term,file,x,y,w,h,score\ncat,a,1,2,0,4,1\n")],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line(key: str, where: str, text: str) -> None:
    with pytest.raises(CapasError) as caught:
        evaluate_files("detection", made("r.csv", "term,file,start,end\ncat,a,1,2\n"), made("h.csv", text))
    assert (caught.value.key, caught.value.where) == (key, where)
