"""Sentences named on the command line or passed from Python, and how they are split into words."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from capas.core.errors import CapasError
from capas.core.files import is_file, is_folder, read_regular
from capas.data.sources.folder_listing import list_folder
from capas.data.tabular.io import decode_text
from capas.data.text.conll import looks_like_conll, read_conll
from capas.data.text.sentence_splitter import split_sentences, split_words
from capas.engine.recipe import Item
from capas.engine.recipes.shared.text_items import text_items

NAME_LENGTH = 60


def sentence_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Yield sentences of CoNLL files, text files, folders of both and quoted texts; "-" reads ``lines``, with one or
    more sentences each. Raises CapasError ``no_such_text`` and those of reading a file.
    """
    for named in words:
        path = Path(named)
        if " " not in named and is_folder(path):
            listing = list_folder(path, follow_links=True)
            columns = [other for other in listing.others if looks_like_conll(other)]
            yield from (item for predicted in (*columns, *listing.texts) for item in _of_file(predicted))
        elif " " not in named and is_file(path):
            yield from _of_file(path)
        else:
            for item in text_items([named], lines):
                content = item.content
                yield from _of_file(content) if isinstance(content, Path) else _of_text(item.name, str(content))


def _of_file(path: Path) -> Iterator[Item]:
    if looks_like_conll(path):
        sentences, _, _ = read_conll([path], path.parent)
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
    """Wrap a text, its path, or a list of words passed from Python."""
    return Item(name=str(content) if isinstance(content, Path) else f"text {number}", content=content)


def read_sentence_words(item: Item) -> tuple[tuple[str, ...], ...]:
    """Return the sentences of an item as words.

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
        return decode_text(path, read_regular(path))
    except OSError as error:
        raise CapasError("no_such_text", where=path) from error
