"""The bundle's README: a model card as Hugging Face reads it, in the language of the user who trained the model."""

from collections.abc import Mapping

from capas.bundle.card import Card
from capas.core.messages import language, say

CLASSES_SHOWN = 50


def model_card(card: Card) -> str:
    """Markdown with a YAML head (https://huggingface.co/docs/hub/model-cards)."""
    value, n, low, high = card.accuracy
    majority, linear = _baseline(card.baseline)
    train = card.data.splits["train"].count
    sections = [
        _head(card),
        f"# {card.name}",
        say("card.summary", n_classes=len(card.classes), network=card.network.name, train=train),
        f"## {say('card.how_good')}",
        say("card.accuracy", value=_percent(value), low=_percent(low), high=_percent(high), n=n),
        _table(
            (say("card.answer"), say("card.share_right")),
            [
                (say("card.this_model"), f"**{_percent(value)}**"),
                (say("card.linear"), _percent(linear)),
                (say("card.majority"), _percent(majority)),
            ],
        ),
        f"## {say('card.by_class')}",
        _table((say("card.class"), say("card.found"), say("card.examples")), _class_rows(card.per_class)),
        f"## {say('card.limits')}",
        "\n".join(f"- {sentence}" for sentence in card.limits),
        f"## {say('card.use')}",
        '```python\nimport capas\n\nmodel = capas.load(".")\nprint(model.predict(["picture.jpg"]))\n```',
        f"## {say('card.origin')}",
        _table((say("card.what"), say("card.value")), _origin_rows(card)),
    ]
    return "\n\n".join(sections) + "\n"


def _head(card: Card) -> str:
    value = card.accuracy[0]
    lines = [
        "---",
        f"language: {language()}",
        "library_name: capas",
        "pipeline_tag: image-classification",
        "tags: [capas, image-classification]",
        "metrics: [accuracy]",
        "model-index:",
        f"- name: {_quoted(card.name)}",
        "  results:",
        "  - task: {type: image-classification}",
        f"    dataset: {{name: {_quoted(card.data.source)}, type: image-folder, split: test}}",
        f"    metrics: [{{type: accuracy, value: {value:.4f}}}]",
        "---",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _baseline(baseline: Mapping[str, object]) -> tuple[float, float]:
    values = []
    for name in ("majority", "logistic_regression"):
        entry = baseline[name]
        assert isinstance(entry, dict)
        values.append(float(entry["accuracy"]["value"]))
    return values[0], values[1]


def _class_rows(per_class: Mapping[str, object]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, figures in per_class.items():
        assert isinstance(figures, dict)
        recall = figures["recall"]
        low, high = recall["interval"]
        rows.append((name, f"{_percent(recall['value'])} ({100 * low:.0f}–{100 * high:.0f})", str(recall["n"])))
    shown = sorted(rows, key=lambda row: float(row[1].split()[0]))[:CLASSES_SHOWN]
    if len(rows) > CLASSES_SHOWN:
        shown.append((say("card.more_classes", n=len(rows) - CLASSES_SHOWN), "", ""))
    return shown


def _origin_rows(card: Card) -> list[tuple[str, ...]]:
    made = card.provenance
    return [
        (say("card.data"), card.data.source),
        *((f"{split} ({part.count})", f"`{part.hash}`") for split, part in card.data.splits.items()),
        (say("card.network"), f"{card.network.name}, {card.network.parameters:,}; {card.network.paper}"),
        (say("card.weights"), f"`{card.weights.hash}` {card.weights.started_from}"),
        (say("card.training"), f"{made.seconds:.0f} s, {made.steps} × {made.precision}, {made.processor}"),
        (say("card.made_with"), f"Capas {made.capas}, torch {made.torch}, {made.created}, seed {made.seed}"),
    ]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in line) + " |" for line in lines)
