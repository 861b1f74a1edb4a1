"""Texts as input: word counts for a linear network, words for one that reads them in order, or sentence vectors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.bundle.write import PREPARATION
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed
from capas.core.spec import Medium
from capas.data.batch import Batch, with_targets
from capas.data.folders import list_folder
from capas.data.inputs import Inputs, Texts
from capas.data.language import function_words
from capas.data.look import Look
from capas.data.tables import decode_text
from capas.data.text_features import SparseRows, TfIdf
from capas.data.tokens import PAD, UNKNOWN, WordVocabulary
from capas.data.word_pieces import WordPieces
from capas.engine.config import Config
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Settled, TrainingSet, Work
from capas.engine.recipes.answers import Answers
from capas.engine.recipes.exported_texts import exportable_texts
from capas.engine.recipes.one_answer import OneAnswerRecipe, OnFields, order_of
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.minilm import (
    WEIGHTS_SHA256,
    EmbeddingHead,
    EmbeddingHeadConfig,
    SentenceEncoder,
    sentence_encoder,
    vocabulary_file,
    weights_installed,
)
from capas.networks.text_classifier import (
    BagOfNgrams,
    BagOfNgramsConfig,
    SparseLinear,
    SparseLinearConfig,
    TextCNN,
    TextCNNConfig,
    TextTransformer,
    TextTransformerConfig,
)

NAMES: Final = ("text-linear", "text-bag", "text-cnn", "text-transformer", "text-minilm")
LINEAR: Final = "text-linear"
MINILM: Final = "text-minilm"
FEW_TEXTS: Final = 3000  # from here on, counting words costs less and does as well
MAX_WORDS: Final = 400
BASELINE_TERMS: Final = 5000
ENCODED_AT_ONCE: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Padded:
    """``tokens`` int64 B×T, padded on the right, and ``lengths`` int64 B."""

    tokens: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Vectors:
    """``vectors`` float32 B×384 of length 1."""

    vectors: Tensor

    def rows(self, picked: Tensor) -> "Vectors":
        """The texts with these numbers, in this order: a batch."""
        return Vectors(vectors=self.vectors[picked])


TextInputs = SparseRows | Padded | Vectors


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for texts."""
    n = max(1, seen.split.count("train"))
    name, why = (config.network.name, ()) if config.network.name != "auto" else usual_network(config, seen)
    if name not in NAMES:
        raise CapasError("network_not_for", where="network.name", received=name, names=", ".join(NAMES))
    if name == MINILM:
        vocabulary_file()  # complains now, not after the examples were read
    reads = name != LINEAR
    batch = max(8, min(64, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = chosen(config.train.epochs, float(max(5, min(40, round((60_000 if reads else 100_000) / n)))))
    # The linear network is convex and its inputs have length one: plain descent with a large rate finds the minimum,
    # where Adam's steps, all of one size, overfit the rare words (measured on Reuters: F1 0.87 against 0.80).
    rates = {"text-linear": 20.0, "text-bag": 5e-3, "text-cnn": 1e-3, "text-transformer": 5e-4, MINILM: 2e-3}
    reasons = (say(f"settle.{name}", network=name), *why, say("settle.epochs", epochs=int(epochs), n=n))
    made = filled(
        config, name=name, width={LINEAR: 0, MINILM: 256}.get(name, 128), batch_size=batch, epochs=epochs,
        learning_rate=rates[name], optimizer="adamw" if reads else "sgd", weight_decay=1e-2 if reads else 1e-6,
    )  # fmt: skip
    return Settled(config=made, reasons=reasons)


def usual_network(config: Config, seen: Look) -> tuple[str, tuple[str, ...]]:
    """The network for texts when none is named, and why it is not the usual one: sentence vectors where their weights
    are installed, training texts are few and look English, and ``network.pretrained`` is not false."""
    assert isinstance(seen.inputs, Texts)
    train = [text for text, part in zip(seen.inputs.texts, seen.split, strict=True) if part == "train"]
    if config.network.pretrained is False or len(train) > FEW_TEXTS or not weights_installed():
        return LINEAR, ()
    found = function_words(train)
    if not found.looks_english:
        return LINEAR, ()
    return MINILM, (say("settle.minilm_chosen", n=len(train), percent=round(100 * found.english)),)


class Counted:
    """Texts as tf-idf of words."""

    def __init__(self, tfidf: TfIdf) -> None:
        self.tfidf = tfidf

    def encode(self, texts: Sequence[str]) -> SparseRows:
        return self.tfidf.features(texts)

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        return SparseLinear(SparseLinearConfig(features=max(1, len(self.tfidf)), num_classes=num_outputs))

    def as_json(self) -> Mapping[str, object]:
        return self.tfidf.as_json()


class Read:
    """Texts as the numbers of their first 400 words."""

    def __init__(self, vocabulary: WordVocabulary) -> None:
        self.vocabulary = vocabulary

    def encode(self, texts: Sequence[str]) -> Padded:
        return padded([self.vocabulary.encode(text)[:MAX_WORDS] or [UNKNOWN] for text in texts])

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        size = len(self.vocabulary)
        if name == "text-bag":
            buckets = min(2**16, 1 << (4 * size).bit_length())
            return BagOfNgrams(
                BagOfNgramsConfig(vocabulary=size, num_classes=num_outputs, width=width, buckets=buckets)
            )
        if name == "text-cnn":
            return TextCNN(TextCNNConfig(vocabulary=size, num_classes=num_outputs, width=width))
        return TextTransformer(TextTransformerConfig(vocabulary=size, num_classes=num_outputs, width=width))

    def as_json(self) -> Mapping[str, object]:
        return self.vocabulary.as_json()


class Embedded:
    """Texts as the vectors that a frozen encoder gives them; nothing is fitted to the training texts."""

    def __init__(self, encoder: SentenceEncoder, pieces: WordPieces) -> None:
        self.encoder = encoder
        self.pieces = pieces

    @staticmethod
    def open() -> "Embedded":
        """Raises CapasError ``minilm_missing`` or ``minilm_changed``."""
        return Embedded(sentence_encoder(), WordPieces.from_file(vocabulary_file()))

    @staticmethod
    def from_json(tree: Mapping[str, object]) -> "Embedded":
        """As ``open``; also raises ValueError where other weights made the vectors."""
        known = {"kind": "minilm", "weights": WEIGHTS_SHA256}
        if dict(tree) != known:
            raise ValueError(f"expected {known}")
        return Embedded.open()

    @torch.no_grad()
    def encode(self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None) -> Vectors:
        rows = [self.pieces.encode(text) for text in texts]
        # Texts of like length together, so that little is computed for padding.
        order = torch.tensor(sorted(range(len(rows)), key=lambda i: len(rows[i])), dtype=torch.int64)
        vectors = torch.empty(len(rows), self.encoder.places.embedding_dim)
        for start in range(0, len(rows), ENCODED_AT_ONCE):
            part = order[start : start + ENCODED_AT_ONCE]
            batch = padded([rows[i] for i in part.tolist()])
            vectors[part] = self.encoder(batch.tokens, batch.lengths)
            progress(start + len(part), len(rows))
        return Vectors(vectors=vectors)

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        return EmbeddingHead(EmbeddingHeadConfig(num_classes=num_outputs, width=width))

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "minilm", "weights": WEIGHTS_SHA256}


def padded(rows: Sequence[Sequence[int]]) -> Padded:
    """Rows of numbers, each of one or more, side by side."""
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), PAD)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row)
    return Padded(tokens=tokens, lengths=lengths)


def hidden(inputs: TextInputs, share: float, rng: torch.Generator) -> TextInputs:
    """The same with about ``share`` of the words unknown, so that no single one decides (word dropout, Iyyer et al.
    2015); counted words and sentence vectors stay as they are."""
    if not isinstance(inputs, Padded) or share == 0:
        return inputs
    hit = (torch.rand(inputs.tokens.shape, generator=rng) < share) & (inputs.tokens != PAD)
    return Padded(tokens=inputs.tokens.masked_fill(hit, UNKNOWN), lengths=inputs.lengths)


TextCode = Counted | Read | Embedded


def fit_code(name: str, texts: Sequence[str]) -> TextCode:
    """Terms or words of the training ``texts``, or the encoder, which knows them already."""
    if name == MINILM:
        return Embedded.open()
    if name == LINEAR:
        return Counted(TfIdf.fit(texts, longest=1, min_texts=2 if len(texts) > 200 else 1, max_features=25_000))
    return Read(WordVocabulary.learn(texts, min_count=2 if len(texts) > 200 else 1, max_size=30_000))


def build_network(config: Config, code: TextCode, num_outputs: int) -> nn.Module:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return OnFields(code.network(config.network.name, num_outputs, int(config.network.width))).train()


class PreparedTexts:
    """The texts of a run."""

    baseline = "tfidf_linear"
    head: str | None = None

    def __init__(
        self,
        config: Config,
        names: Sequence[str],
        texts: Sequence[str],
        train: Tensor,
        progress: Callable[[int, int], None],
    ) -> None:
        self.config = config
        self.texts = texts
        self.train = train
        self._names = names
        first = [texts[i] for i in train.tolist()]
        self.code = fit_code(config.network.name, first)
        self._encoded: SparseRows | Vectors | None = None
        if isinstance(self.code, Counted):
            self._encoded = self.code.encode(texts)
        elif isinstance(self.code, Embedded):
            self._encoded = self.code.encode(texts, progress)
        self._baseline: TfIdf | None = None

    def network(self, num_outputs: int) -> nn.Module:
        return build_network(self.config, self.code, num_outputs)

    def network_card(self, network: nn.Module, num_outputs: int) -> NetworkCard:
        name, width = self.config.network.name, int(self.config.network.width)
        parameters = sum(p.numel() for p in network.parameters())
        settings = {"width": width, "num_classes": num_outputs}
        return NetworkCard(name=name, settings={**settings}, parameters=parameters, paper=described(name).paper)

    def training(self, targets: Tensor, positions: Tensor, ranks: Ranks) -> TrainingSet[Batch[TextInputs]]:
        lengths = None
        if isinstance(self.code, Read):
            lengths = torch.tensor([len(self.texts[i]) for i in positions.tolist()])
        order = order_of(self.config, positions, ranks, lengths=lengths)
        share = self.config.text.word_dropout
        return with_targets(order, self._names, targets, lambda chosen, rng: hidden(self.take(chosen), share, rng))

    def take(self, positions: Tensor) -> TextInputs:
        if self._encoded is not None:
            return self._encoded.rows(positions)
        return self.code.encode([self.texts[i] for i in positions.tolist()])

    def features(self, positions: Tensor) -> Float[Tensor, "N D"]:
        """tf-idf of the 5,000 commonest words, dense."""
        if self._baseline is None:
            first = [self.texts[i] for i in self.train.tolist()]
            self._baseline = TfIdf.fit(first, longest=1, min_texts=1, max_features=BASELINE_TERMS)
        rows = self._baseline.features([self.texts[i] for i in positions.tolist()])
        return rows.dense(max(1, len(self._baseline)))

    def as_json(self) -> Mapping[str, object]:
        return self.code.as_json()


class TextReader:
    """The input side of a finished model of texts."""

    def __init__(self, network: nn.Module, code: TextCode) -> None:
        self.network = network
        self.code = code

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return text_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return text_item(content, number)

    def read(self, item: Item) -> str:
        return read_text(item)

    def read_example(self, inputs: Inputs, index: int) -> str:
        assert isinstance(inputs, Texts)
        return inputs.texts[index]

    def collate(self, prepared: Sequence[object]) -> TextInputs:
        return self.code.encode(cast(Sequence[str], prepared))

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, OnFields)
        return exportable_texts(self.network.network, self.code, cast(Sequence[str], prepared))


def text_items(words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
    """Text files, folders of them, "-" for a text per line of ``lines``; anything with a blank in it is a text."""
    for text in words:
        if text == "-":
            yield from (Item(name=f"#{i + 1}", content=line.rstrip("\r\n")) for i, line in enumerate(lines))
        elif " " in text.strip() and not _exists(text):
            yield Item(name=text if len(text) <= 60 else f"{text[:59]}…", content=text)
        elif Path(text).is_dir():
            yield from (Item(name=str(path), content=path) for path in list_folder(Path(text)).texts)
        elif _exists(text):
            yield Item(name=text, content=Path(text))
        else:
            raise CapasError("no_such_text", where=text)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:
        return False


def text_item(content: object, number: int) -> Item:
    """A text, or a path of one, given from Python."""
    named = isinstance(content, Path)
    return Item(name=str(content) if named else f"text {number}", content=content)


def read_text(item: Item) -> str:
    """The text of an item. Raises CapasError ``no_such_text``, ``text_empty`` or ``table_encoding``."""
    content = item.content
    if isinstance(content, Path):
        try:
            content = decode_text(content, content.read_bytes())
        except OSError as error:
            raise CapasError("no_such_text", where=item.name) from error
    if not isinstance(content, str):
        raise CapasError("not_a_text", where=item.name, received=type(content).__name__)
    if not content.strip():
        raise CapasError("text_empty", where=item.name)
    return content


def reopened_code(name: str, tree: Mapping[str, object]) -> TextCode:
    """What ``as_json`` of the code of the network ``name`` wrote. Raises ValueError on anything else, and CapasError
    where the weights of a frozen encoder are not installed."""
    match name:
        case "text-linear":
            return Counted(TfIdf.from_json(tree))
        case "text-minilm":
            return Embedded.from_json(tree)
    return Read(WordVocabulary.from_json(tree))


class TextSide:
    """What texts contribute to a recipe."""

    medium: Medium = "text"

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, answers: Answers) -> PreparedTexts:
        assert isinstance(work.inputs, Texts)
        texts = [work.inputs.texts[i] for i in work.indices]
        return PreparedTexts(work.config, work.record.names, texts, work.record.positions("train"), work.progress)

    def trial_inputs(
        self, config: Config, seen: Look, num_outputs: int, indices: Sequence[int]
    ) -> tuple[nn.Module, TextInputs]:
        assert isinstance(seen.inputs, Texts)
        code = fit_code(config.network.name, seen.inputs.texts[:5000])
        inputs = code.encode([seen.inputs.texts[i] for i in indices])
        return build_network(config, code, num_outputs), inputs

    def reopen(self, bundle: Bundle, num_outputs: int) -> TextReader:
        tree, card = bundle.file(PREPARATION), bundle.card
        width = card.network.settings.get("width")
        try:
            code = reopened_code(card.network.name, tree)
        except ValueError as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / PREPARATION, received=str(error)) from error
        network = OnFields(code.network(card.network.name, num_outputs, int(width or 0)))
        return TextReader(bundle.fill(network), code)


recipe = OneAnswerRecipe(TextSide())
