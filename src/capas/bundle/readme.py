"""The bundle's README: a Hugging Face model card, in the language of the user who trained the model."""

import re
from collections.abc import Mapping, Sequence

from capas.bundle.card import Card, ColumnCard, GeneratedCard, MethodCard
from capas.core.i18n import language, say
from capas.core.inert_text import inert
from capas.core.number_format import baseline_name, format_metric, format_percent, metric_name

MAX_CLASSES_SHOWN = 50
# As Hugging Face calls them: https://huggingface.co/tasks
PIPELINES = {
    ("classify", "image"): "image-classification",
    ("classify", "audio"): "audio-classification",
    ("classify", "text"): "text-classification",
    ("classify", "table"): "tabular-classification",
    ("tag", "image"): "image-classification",
    ("tag", "text"): "text-classification",
    ("tag", "audio"): "audio-classification",
    ("regress", "table"): "tabular-regression",
    ("label", "image"): "image-segmentation",
    ("label", "audio"): "audio-classification",
    ("label", "tokens"): "token-classification",
    ("transform", "image"): "image-to-image",
    ("transcribe", "image"): "image-to-text",
    ("transcribe", "audio"): "automatic-speech-recognition",
    ("translate", "text"): "translation",
}
EXAMPLE_INPUTS = {
    "image": '"picture.jpg"',
    "audio": '"sound.wav"',
    "text": '"a text"',
    "tokens": '["a", "sentence"]',
    "table": '{"column": 1.0}',
}


def model_card(card: Card) -> str:
    """Return the card as Markdown with a YAML head (https://huggingface.co/docs/hub/model-cards)."""
    train = card.data.splits["train"].count
    sections = [
        _head(card),
        f"# {_markdown(card.name)}",
        say(f"card.summary_{card.task}", n_classes=len(card.classes), network=card.network.name, train=train),
        f"## {say('card.how_good')}",
        say("card.tested_pairs" if card.task == "verify" else "card.tested", n=card.headline[1].n),
        _figures_table(card),
    ]
    if card.method is not None:
        sections += [f"## {say('method.card_title')}", _taught(card.method)]
    if card.generated is not None:
        sections += [f"## {say('generated.card_title')}", _generated(card.generated)]
    if any("recall" in figures for figures in card.per_class.values() if isinstance(figures, Mapping)):
        heads = (say("card.class"), say("card.found"), say("card.examples"))
        sections += [f"## {say('card.by_class')}", _table(heads, _class_rows(card.per_class))]
    sections += [
        f"## {say('card.limits')}",
        "\n".join(f"- {_markdown(sentence)}" for sentence in card.limits),
        f"## {say('card.use')}",
        f'```python\nimport capas\n\nmodel = capas.load(".")\nprint(model.predict([{_example_input(card)}]))\n```',
        *_columns_beside(card),
        f"## {say('card.origin')}",
        _table((say("card.what"), say("card.value")), _origin_rows(card)),
    ]
    return "\n\n".join(sections) + "\n"


def _example_input(card: Card) -> str:
    """An input as Python writes it; with columns beside, a row."""
    file = EXAMPLE_INPUTS[card.medium]
    if not card.network.columns:
        return file
    cells = [f"{one.name!r}: {(one.values[0] if one.values else one.low)!r}" for one in card.network.columns]
    return inert("{" + ", ".join([f"{card.inputs[0].name!r}: {file}", *cells]) + "}")


def _columns_beside(card: Card) -> list[str]:
    """The columns that the model takes beside its files, with the values that the training examples have."""
    if not card.network.columns:
        return []
    rows = [(_markdown(column.name), _markdown(_values_of(column))) for column in card.network.columns]
    return [_table((say("card.column"), say("card.column_values")), rows)]


def _values_of(column: ColumnCard) -> str:
    if column.kind != "category":
        return "–" if column.low is None else f"{column.low} – {column.high}"
    shown = ", ".join(column.values[:MAX_CLASSES_SHOWN])
    return f"{shown}, …" if len(column.values) > MAX_CLASSES_SHOWN else shown or "–"


def _head(card: Card) -> str:
    name, headline = card.headline
    pipeline = PIPELINES.get((card.task, card.medium))
    lines = [
        "---",
        f"language: {language()}",
        "library_name: capas",
        *([f"pipeline_tag: {pipeline}"] if pipeline else []),
        f"tags: [capas, {pipeline or card.task}]",
        f"metrics: [{name}]",
        "model-index:",
        f"- name: {_quoted(card.name)}",
        "  results:",
        f"  - task: {{type: {pipeline or card.task}}}",
        f"    dataset: {{name: {_quoted(card.data.source)}, type: {_quoted(card.data.source)}, split: test}}",
        f"    metrics: [{{type: {name}, value: {headline.value:.4f}}}]",
        "---",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = inert(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


def _figures_table(card: Card) -> str:
    """Markdown table of the headline metric beside the baselines', then of the other metrics."""
    name, _ = card.headline
    rows = [(say("card.this_model"), f"**{format_metric(card.metrics[name])}**")]
    if card.method is not None:
        if card.method.iterations > 1:
            rows.append((say("method.card_teacher"), format_metric(card.method.teacher[name])))
        rows.append((say("method.card_first"), format_metric(card.method.first_teacher[name])))
    for other, figures in card.baseline.items():
        assert isinstance(figures, Mapping)
        rows.append((baseline_name(other), format_metric(figures[name])))
    further = [(metric_name(key), format_metric(figure)) for key, figure in card.metrics.items() if key != name]
    table = _table((say("card.answer"), metric_name(name)), rows)
    return table + "\n\n" + _table((say("card.figure"), say("card.value_head")), further) if further else table


def _taught(method: MethodCard) -> str:
    """Sentences on the pseudo-labels and the teacher."""
    training = say(
        "method.card_taught", iterations=method.iterations, labelled=method.labelled, learnt=method.learnt,
        pictures=method.pictures, source=_markdown(method.source), threshold=method.threshold, in_test=method.in_test,
    )  # fmt: skip
    noise = say("method.card_noise") if method.noise else say("method.card_no_noise")
    return f"{training} {noise} {say('method.card_test')}"


def _generated(generated: GeneratedCard) -> str:
    """Sentences on the samples of a generator that were learnt from."""
    classes = ", ".join(f"{_markdown(name)} ({count})" for name, count in generated.per_class.items())
    return say(
        "generated.card_text", learnt=generated.learnt, drawn=generated.drawn, source=_markdown(generated.source),
        classes=classes, in_test=generated.in_test,
    )  # fmt: skip


def _class_rows(per_class: Mapping[str, object]) -> list[tuple[str, ...]]:
    """Rows of the classes, lowest recall first; one row for the rest where there are very many."""
    rows: list[tuple[float, str, str, int]] = []
    for name, figures in per_class.items():
        assert isinstance(figures, dict)
        recall = figures["recall"]
        ends = [f"{100 * end:.0f}" for end in recall.get("interval", ())]
        text = format_percent(recall["value"]) + (f" ({'–'.join(ends)})" if ends else "")
        rows.append((recall["value"], name, text, recall["n"]))
    rows.sort(key=lambda row: row[0])
    shown: list[tuple[str, ...]] = [(name, text, str(n)) for _, name, text, n in rows[:MAX_CLASSES_SHOWN]]
    if len(rows) > MAX_CLASSES_SHOWN:
        shown.append((say("card.more_classes", n=len(rows) - MAX_CLASSES_SHOWN), "", ""))
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


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_markdown(cell) for cell in line) + " |" for line in lines)


def _markdown(text: str) -> str:
    """Text of others in one line of Markdown, where neither HTML, links nor the bars of a table are read from it."""
    plain = " ".join(inert(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[|\[\]]", r"\\\g<0>", plain)
