"""Test metrics of token classification, and its baseline."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from capas.engine.recipe import TestResult
from capas.engine.recipes.token_classification.data import LabelSet, Words
from capas.metrics.entities import TokenLabelMetrics, token_label_metrics
from capas.metrics.rate import rate


class MostFrequentLabelBaseline:
    """The baseline: each word gets its most frequent training label; unknown words get O, or the most frequent label of
    all.
    """

    def __init__(self, sentences: Sequence[Words], targets: Sequence[Words], labels: LabelSet) -> None:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for words, row in zip(sentences, targets, strict=True):
            for word, label in zip(words, row, strict=True):
                counts[word][label] += 1
        overall = sum(counts.values(), Counter[str]())
        self.default = "O" if labels.spans else min(overall, key=lambda label: (-overall[label], label))
        self.labels = {
            word: min(seen, key=lambda label: (-seen[label], label)) for word, seen in counts.items()
        }  # fmt: skip

    def predict(self, words: Words) -> list[str]:
        """Return a label for each word."""
        return [self.labels.get(word, self.default) for word in words]


def label_headline_metric(figures: TokenLabelMetrics, labels: LabelSet) -> dict[str, float]:
    """Return name and value of the headline metric: entity F1, or token accuracy where labels mark no entities."""
    return {"entity_f1": figures.f1.value} if labels.spans else {"token_accuracy": figures.token_accuracy.value}


def label_metrics(figures: TokenLabelMetrics, labels: LabelSet) -> dict[str, object]:
    """Return all metrics, the headline first."""
    accuracy: dict[str, object] = {"token_accuracy": figures.token_accuracy.as_json()}
    if not labels.spans:
        return accuracy
    overall = figures.overall
    return {
        "entity_f1": figures.f1.as_json(),
        "entity_precision": overall.precision.as_json(),
        "entity_recall": overall.recall.as_json(),
        **accuracy,
    }


def evaluate_labels(
    names: Sequence[str], sentences: Sequence[Words], targets: Sequence[Words], predicted: Sequence[Words],
    labels: LabelSet, baseline_model: MostFrequentLabelBaseline | None,
) -> TestResult:  # fmt: skip
    """Evaluate predicted labels against ``targets``; without ``baseline_model`` the result has no baseline."""
    figures = token_label_metrics(targets, predicted)
    baseline: dict[str, dict[str, object]] = {}
    if baseline_model is not None:
        simple = token_label_metrics(targets, [baseline_model.predict(words) for words in sentences], resamples=1)
        kept = label_headline_metric(simple, labels) | {"token_accuracy": simple.token_accuracy.value}
        baseline["most_frequent_label"] = {name: round(value, 6) for name, value in kept.items()}
    rows = [
        [name, " ".join(words), " ".join(target), " ".join(guess)]
        for name, words, target, guess in zip(names, sentences, targets, predicted, strict=True)
    ]
    return TestResult(
        n=len(sentences), metrics=label_metrics(figures, labels), baseline=baseline,
        rows=[["example", "words", "labels", "predicted"], *rows],
        per_class=_per_class(figures, labels, targets, predicted),
    )  # fmt: skip


def _per_class(
    figures: TokenLabelMetrics, labels: LabelSet, targets: Sequence[Words], predicted: Sequence[Words]
) -> dict[str, object]:
    if labels.spans:
        return {
            kind: {"recall": own.recall.as_json(), "precision": own.precision.as_json()}
            for kind, own in figures.per_kind.items()
        }
    pairs = Counter(
        pair for target, guess in zip(targets, predicted, strict=True) for pair in zip(target, guess, strict=True)
    )
    actual, called = Counter[str](), Counter[str]()
    for (true, guess), count in pairs.items():
        actual[true] += count
        called[guess] += count
    return {
        label: {
            "recall": rate(pairs[label, label], actual[label]).as_json(),
            "precision": rate(pairs[label, label], called[label]).as_json(),
        }
        for label in sorted(actual | called)
    }
