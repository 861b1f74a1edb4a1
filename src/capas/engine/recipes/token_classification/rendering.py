"""Predictions of token classifiers: on screen, as JSON, in CoNLL columns."""

from collections.abc import Callable, Sequence

from capas.decoding.label_schemes import labels_to_entities
from capas.engine.recipe import Prediction
from capas.engine.recipes.token_classification.data import LabelledWord


def labels_prediction(name: str, words: Sequence[str], labelled: Sequence[LabelledWord], *, spans: bool) -> Prediction:
    """Return the prediction for one text; ``spans`` says whether labels mark entities or stand for themselves."""
    labels = [word.label for word in labelled]
    predicted = [
        {
            "text": " ".join(words[entity.start : entity.end]),
            "kind": entity.kind,
            "start": entity.start,
            "end": entity.end,
            "probability": round(
                mean_probability([word.probability for word in labelled[entity.start : entity.end]]), 6
            ),
        }
        for entity in (labels_to_entities(labels) if spans else [])
    ]
    facts = {"words": list(words), "labels": labels, "entities": predicted}
    return Prediction(input=name, prediction=labels, facts=facts, text=render_labels(words, labels, spans=spans))


def mean_probability(values: Sequence[float]) -> float:
    """Return the mean of at least one probability."""
    return sum(values) / len(values)


def render_labels(words: Sequence[str], labels: Sequence[str], *, spans: bool) -> str:
    """Return a labelled sentence for the screen.

    >>> render_labels(["Ana", "vive", "en", "La", "Habana"], ["B-PER", "O", "O", "B-LOC", "I-LOC"], spans=True)
    '[Ana PER] vive en [La Habana LOC]'
    >>> render_labels(["Ana", "vive"], ["NOUN", "VERB"], spans=False)
    'Ana/NOUN vive/VERB'
    """
    if not spans:
        return " ".join(f"{word}/{label}" for word, label in zip(words, labels, strict=True))
    parts, here = list[str](), 0
    for entity in labels_to_entities(labels):
        parts += words[here : entity.start]
        parts.append(f"[{' '.join(words[entity.start : entity.end])} {entity.kind}]")
        here = entity.end
    return " ".join([*parts, *words[here:]])


LabelFunction = Callable[[Sequence[Sequence[str]]], list[list[LabelledWord]]]


def label_texts(
    names: Sequence[str], texts: Sequence[Sequence[Sequence[str]]], label: LabelFunction, *, spans: bool
) -> list[Prediction]:
    """Apply ``label`` (sentences → their labels) to the sentences of all ``texts`` at once; one prediction per text."""
    labelled = iter(label([sentence for text in texts for sentence in text]))
    together = []
    for name, text in zip(names, texts, strict=True):
        words = [word for sentence in text for word in sentence]
        predicted = [word for _ in text for word in next(labelled)]
        together.append(labels_prediction(name, words, predicted, spans=spans))
    return together
