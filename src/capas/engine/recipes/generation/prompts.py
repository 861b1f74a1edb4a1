"""What a text says, as a vector that a network can be told.

Two ways, chosen by the captions of the training images: a frozen sentence encoder (``networks.sequence.minilm``), which
knows that a kitten is a cat, but only English; and the words themselves, whatever their language, of which only those
that captions contain mean anything. The layer that takes the vector in is learnt with the network: of words it is a
table of learnt embeddings that are added up.

A vector of zeros says nothing: it is what a text without a known word becomes, and what classifier-free guidance leaves
captions out by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from capas.core.errors import CapasError
from capas.data.text.vocabulary import SPECIAL_TOKENS, UNKNOWN, WordVocabulary, tokenize_words
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.recipes.single_output.text.encodings import SentenceEmbeddingEncoding
from capas.networks.sequence.minilm import minilm_vocabulary_file, minilm_weights_installed

PromptEncoderName = Literal["minilm", "words"]
MAX_WORDS: Final = 2_000
MINILM_NUMBERS: Final = 384
# Shares of words that the sentence encoder knows as a whole. English captions have nearly all of them; of Spanish,
# French and German sentences hardly half are, for their words are put together from pieces.
ENGLISH_CAPTIONS: Final = 0.85
ENGLISH_PROMPT: Final = 0.7


@dataclass(frozen=True, kw_only=True, slots=True)
class Captions:
    """What is said of each of some images.

    Attributes:
        texts: The captions.
        vectors: What the network is told of them, float32 (N, V).
    """

    texts: Sequence[str]
    vectors: Tensor


@runtime_checkable
class PromptEncoder(Protocol):
    """Makes vectors of texts."""

    @property
    def numbers(self) -> int:
        """V, the numbers of a vector."""

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "N V"]:
        """Return the vectors of texts, float32, of a spread of about 1; zeros for "" and for what is not known."""

    def not_understood(self, text: str) -> tuple[str, ...]:
        """Return the words of a text that mean nothing here; () where all do."""

    def as_json(self) -> Mapping[str, object]:
        """Return what ``open_prompt_encoder`` reads."""


class SentencePrompts:
    """English texts by their sentence embeddings."""

    numbers = MINILM_NUMBERS

    def __init__(self, encoding: SentenceEmbeddingEncoding) -> None:
        self.encoding = encoding

    def encode(self, texts: Sequence[str]) -> Tensor:
        vectors = torch.zeros(len(texts), self.numbers)
        said = [i for i, text in enumerate(texts) if text.strip()]
        if said:
            vectors[said] = self.encoding.encode([texts[i] for i in said]).embeddings * self.numbers**0.5
        return vectors

    def not_understood(self, text: str) -> tuple[str, ...]:
        return (text,) if _share_known_whole([text], self.encoding.pieces) < ENGLISH_PROMPT else ()

    def as_json(self) -> Mapping[str, object]:
        return self.encoding.as_json()


class WordPrompts:
    """Texts of any language by the words that training captions have, in any order."""

    def __init__(self, vocabulary: WordVocabulary) -> None:
        self.vocabulary = vocabulary

    @property
    def numbers(self) -> int:
        return len(self.vocabulary) - len(SPECIAL_TOKENS)

    def encode(self, texts: Sequence[str]) -> Tensor:
        vectors = torch.zeros(len(texts), self.numbers)
        for row, text in zip(vectors, texts, strict=True):
            known = [number - len(SPECIAL_TOKENS) for number in self.vocabulary.encode(text) if number > UNKNOWN]
            row[known] = 1.0
            row *= self.numbers**0.5 / row.norm().clamp(min=1)
        return vectors

    def not_understood(self, text: str) -> tuple[str, ...]:
        return tuple(
            word for word in text.split()
            if all(number == UNKNOWN for number in self.vocabulary.encode(word))
        )  # fmt: skip

    def as_json(self) -> Mapping[str, object]:
        return self.vocabulary.as_json()


def choose_prompt_encoder(captions: Sequence[str]) -> PromptEncoderName:
    """Return the way for captions where none is asked for: the sentence encoder where its weights are installed and
    they are English."""
    if not minilm_weights_installed():
        return "words"
    pieces = WordPieceTokenizer.from_file(minilm_vocabulary_file())
    return "minilm" if _share_known_whole(captions, pieces) >= ENGLISH_CAPTIONS else "words"


def _share_known_whole(texts: Sequence[str], pieces: WordPieceTokenizer) -> float:
    """The share of words that are one piece, between the marks of beginning and end; 1 without words."""
    words = [word for text in texts for word in tokenize_words(text) if word.isalpha()]
    return sum(len(pieces.encode(word)) == 3 for word in words) / len(words) if words else 1.0


def fit_prompt_encoder(name: str, captions: Sequence[str]) -> PromptEncoder:
    """Return the encoder; of words, with those of the training captions.

    Raises CapasError ``minilm_missing``, ``minilm_changed``, or ``captions_without_words``.
    """
    if name == get_args(PromptEncoderName)[0]:
        return SentencePrompts(SentenceEmbeddingEncoding.open())
    vocabulary = WordVocabulary.learn(captions, min_count=1, max_size=MAX_WORDS + len(SPECIAL_TOKENS))
    if len(vocabulary) == len(SPECIAL_TOKENS):
        raise CapasError("captions_without_words", where="--condition", received=len(captions))
    return WordPrompts(vocabulary)


def open_prompt_encoder(tree: Mapping[str, object]) -> PromptEncoder:
    """Return the encoder that a bundle names. Raises ValueError on anything else than ``as_json`` gave, and CapasError
    where the weights of the sentence encoder are not installed."""
    if tree.get("kind") == "minilm":
        return SentencePrompts(SentenceEmbeddingEncoding.from_json(tree))
    return WordPrompts(WordVocabulary.from_json(tree))
