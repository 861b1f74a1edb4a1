"""Test metrics of translation: BLEU and the like, and exact matches."""

from collections.abc import Sequence

from capas.core.rng import seeded_generator
from capas.engine.recipe import TestResult
from capas.metrics.bleu import translation_metrics
from capas.metrics.rate import rate


def evaluate_translations(
    names: Sequence[str], sources: Sequence[str], references: Sequence[str], translations: Sequence[str]
) -> TestResult:
    """Evaluate translations against their references; the baseline copies the sources."""

    def figures(texts: Sequence[str]) -> dict[str, object]:
        exact = sum(text.strip() == reference.strip() for text, reference in zip(texts, references, strict=True))
        measured = translation_metrics(texts, references, seeded_generator(0, "resampling")).metrics_json()
        return {**measured, "exact": rate(exact, len(texts)).as_json()}

    rows = [list(row) for row in zip(names, sources, references, translations, strict=True)]
    return TestResult(
        n=len(names), metrics=figures(translations), baseline={"copy": figures(sources)},
        rows=[["example", "source", "reference", "translation"], *rows],
    )  # fmt: skip
