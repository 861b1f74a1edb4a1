"""How a labeller of words is asked, and how it answers: sentences in, spans out, on screen, as JSON or in columns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from capas.core.errors import CapasError
from capas.data.folders import list_folder
from capas.data.sentence_ends import split_sentences, split_words
from capas.data.sentences import looks_like_columns, read_sentences
from capas.data.tables import decode_text
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.texts import text_items
from capas.tasks.labels import entities

NAME_LENGTH = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledWord:
    """A word's label, with its probability given the whole sentence."""

    label: str
    probability: float


def sentence_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """A sentence each: of files in CoNLL's columns, of text files, of folders of both, of texts in quotes; "-" reads
    texts, one or more sentences a line. Raises CapasError ``no_such_text`` and those of reading a file."""
    for named in words:
        path = Path(named)
        if " " not in named and path.is_dir():
            listing = list_folder(path)
            columns = [other for other in listing.others if looks_like_columns(other)]
            yield from (item for found in (*columns, *listing.texts) for item in _of_file(found))
        elif " " not in named and path.is_file():
            yield from _of_file(path)
        else:
            for item in text_items([named], lines):
                content = item.content
                yield from _of_file(content) if isinstance(content, Path) else _of_text(item.name, str(content))


def _of_file(path: Path) -> Iterator[Item]:
    if looks_like_columns(path):
        sentences, _, _ = read_sentences([path], path.parent)
        for i, words in enumerate(sentences.sentences):
            yield Item(name=sentences.name(i), content=words)
        return
    try:
        text = _decoded(path)
    except CapasError:
        yield Item(name=str(path), content=path)  # is refused when it is read, as one of many
        return
    numbered = enumerate(split_sentences(text), 1)
    yield from ([Item(name=f"{path}#{n}", content=line) for n, line in numbered] or [Item(name=str(path), content="")])


def _of_text(name: str, text: str) -> Iterator[Item]:
    lines = split_sentences(text)
    if len(lines) < 2:
        yield Item(name=name, content=text)
        return
    for line in lines:
        yield Item(name=line if len(line) <= NAME_LENGTH else f"{line[: NAME_LENGTH - 1]}…", content=line)


def sentence_item(content: object, number: int) -> Item:
    """A text, its path, or a list of words, given from Python."""
    return Item(name=str(content) if isinstance(content, Path) else f"text {number}", content=content)


def read_words(item: Item) -> tuple[tuple[str, ...], ...]:
    """The sentences of an item as words.

    Raises CapasError ``no_such_text``, ``table_encoding``, ``not_words``, ``sentence_empty`` or ``word_blank``.
    """
    content = item.content
    if isinstance(content, Path):
        content = _decoded(content)
    if isinstance(content, str):
        sentences = tuple(words for line in split_sentences(content) if (words := tuple(split_words(line))))
        if not sentences:
            raise CapasError("sentence_empty", where=item.name)
        return sentences
    if not isinstance(content, list | tuple) or not all(isinstance(word, str) for word in content):
        raise CapasError("not_words", where=item.name, received=type(content).__name__)
    if not content:
        raise CapasError("sentence_empty", where=item.name)
    for number, word in enumerate(content, 1):
        if len(word.split()) != 1 or word.strip() != word:
            raise CapasError("word_blank", where=item.name, received=repr(word), number=number)
    return (tuple(content),)


def _decoded(path: Path) -> str:
    try:
        return decode_text(path, path.read_bytes())
    except OSError as error:
        raise CapasError("no_such_text", where=path) from error


def prediction_of(name: str, words: Sequence[str], labelled: Sequence[LabelledWord], *, spans: bool) -> Prediction:
    """The answer for one text; ``spans``: whether labels mark entities, or stand for themselves."""
    labels = [word.label for word in labelled]
    found = [
        {
            "text": " ".join(words[entity.start : entity.end]),
            "kind": entity.kind,
            "start": entity.start,
            "end": entity.end,
            "probability": round(mean([word.probability for word in labelled[entity.start : entity.end]]), 6),
        }
        for entity in (entities(labels) if spans else [])
    ]
    facts = {"words": list(words), "labels": labels, "entities": found}
    return Prediction(input=name, prediction=labels, facts=facts, text=marked(words, labels, spans=spans))


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    return sum(values) / len(values)


def marked(words: Sequence[str], labels: Sequence[str], *, spans: bool) -> str:
    """A sentence for the screen.

    >>> marked(["Ana", "vive", "en", "La", "Habana"], ["B-PER", "O", "O", "B-LOC", "I-LOC"], spans=True)
    '[Ana PER] vive en [La Habana LOC]'
    >>> marked(["Ana", "vive"], ["NOUN", "VERB"], spans=False)
    'Ana/NOUN vive/VERB'
    """
    if not spans:
        return " ".join(f"{word}/{label}" for word, label in zip(words, labels, strict=True))
    parts, here = list[str](), 0
    for entity in entities(labels):
        parts += words[here : entity.start]
        parts.append(f"[{' '.join(words[entity.start : entity.end])} {entity.kind}]")
        here = entity.end
    return " ".join([*parts, *words[here:]])


def as_conll(predictions: Iterable[Prediction]) -> str:
    """The answers in CoNLL's columns: a word and its label a line, an empty line behind each sentence. What was refused
    is left out."""
    blocks = []
    for prediction in predictions:
        words, labels = prediction.facts.get("words"), prediction.facts.get("labels")
        if isinstance(words, list) and isinstance(labels, list):
            blocks.append("".join(f"{word} {label}\n" for word, label in zip(words, labels, strict=True)) + "\n")
    return "".join(blocks)


Label = Callable[[Sequence[Sequence[str]]], list[list[LabelledWord]]]


def answers(
    names: Sequence[str], texts: Sequence[Sequence[Sequence[str]]], label: Label, *, spans: bool
) -> list[Prediction]:
    """``label`` (many sentences → their labels) asked for the sentences of all ``texts`` at once."""
    labelled = iter(label([sentence for text in texts for sentence in text]))
    together = []
    for name, text in zip(names, texts, strict=True):
        words = [word for sentence in text for word in sentence]
        found = [word for _ in text for word in next(labelled)]
        together.append(prediction_of(name, words, found, spans=spans))
    return together
