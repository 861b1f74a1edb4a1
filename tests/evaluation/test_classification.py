"""Labels: figures worked out by hand and those of the training's own test, and complaints that name the line."""

import math
from pathlib import Path

import pytest
import torch

from capas.core.errors import CapasError
from capas.evaluation.bootstrap import metrics_with_intervals
from capas.evaluation.scorers import evaluate_files
from capas.metrics.classification import classification_metrics


def made(name: str, text: str) -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def test_figures_are_those_of_a_test_on_the_same_answers() -> None:
    rng = torch.Generator().manual_seed(1)
    probabilities = torch.rand(40, 3, generator=rng).double()
    probabilities /= probabilities.sum(1, keepdim=True)
    targets = torch.randint(3, (40,), generator=rng)
    reference = made("r.csv", "id,label\n" + "".join(f"e{i},{'abc'[int(t)]}\n" for i, t in enumerate(targets)))
    rows = [
        f"e{i},{'abc'[int(p.argmax())]}," + ",".join(f"{value:.12f}" for value in p.tolist()) + "\n"
        for i, p in enumerate(probabilities)
    ]
    hypothesis = made("h.csv", "input,prediction,p(a),p(b),p(c)\n" + "".join(reversed(rows)))
    ours = {
        figure.name: figure.value
        for figure in metrics_with_intervals(evaluate_files("classification", reference, hypothesis).measured)
    }
    theirs = classification_metrics(probabilities, targets, ["a", "b", "c"])
    assert ours == pytest.approx(
        {"accuracy": theirs.accuracy.value, "balanced_accuracy": theirs.balanced_accuracy, "macro_f1": theirs.macro_f1,
         "log_loss": theirs.log_loss}, abs=1e-7,
    )  # fmt: skip


def test_what_is_missing_counts_as_wrong_and_codes_stay_codes() -> None:
    reference = made("r.tsv", "id\tlabel\n007\t1\n7\t2\n8\t1\n9\t1.0\n")
    found = evaluate_files("classification", reference, made("h.csv", "id,label\n7,2\n007,1\n9,1\n"))
    figures = {figure.name: figure for figure in metrics_with_intervals(found.measured)}
    assert figures["accuracy"].value == 0.5 and figures["accuracy"].n == 4 and found.counts["absent"] == 1
    assert "8" in found.lacks[0] and "log_loss" not in figures
    confusion = next(table for table in found.tables if table.name == "confusion")
    assert set(confusion.rows) == {("1", "–", 1), ("1.0", "1", 1)}


def test_a_probability_of_two_classes_gives_log_loss() -> None:
    reference = made("r.csv", "id,label\n1,yes\n2,no\n3,no\n")
    hypothesis = made("h.csv", "id,label,probability\n1,yes,0.8\n2,yes,0.6\n")
    loss = {
        f.name: f.value
        for f in metrics_with_intervals(evaluate_files("classification", reference, hypothesis).measured)
    }["log_loss"]
    assert loss == pytest.approx(-(math.log(0.8) + math.log(0.4) + math.log(0.5)) / 3)


@pytest.mark.parametrize(
    ("key", "where", "text"),
    [("score_twice", "h.csv:3", "id,label\n1,a\n1,b\n"), ("score_unknown_id", "h.csv:3", "id,label\n1,a\n5,b\n"),
     ("score_no_label", "h.csv:2", "id,label\n1,\n"), ("score_column", "h.csv:1", "number,label\n1,a\n"),
     ("score_ragged", "h.csv:3", "id,label\n1,a\n2,b,c\n"), ("score_empty", "h.csv", "id,label\n"),
     ("score_column_twice", "h.csv:1", "id,id,label\n1,1,a\n"),
     ("score_probabilities", "h.csv:2", "id,label,p(a),p(b)\n1,a,0.8,0.8\n"),
     ("score_probabilities", "h.csv:2", "id,label,probability\n1,a,80\n")],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_line(key: str, where: str, text: str) -> None:
    with pytest.raises(CapasError) as caught:
        evaluate_files("classification", made("r.csv", "id,label\n1,a\n2,b\n"), made("h.csv", text))
    assert (caught.value.key, caught.value.where) == (key, where)


def test_a_reference_of_one_class_is_refused() -> None:
    reference = made("r.csv", "id,label\n1,cat\n2,cat\n")
    with pytest.raises(CapasError) as caught:
        evaluate_files("classification", reference, made("h.csv", "id,label\n1,cat\n2,cat\n"))
    assert caught.value.key == "score_one_class"
