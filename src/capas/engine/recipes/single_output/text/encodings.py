"""Encodings of texts for the text networks: tf-idf, token ids, sentence embeddings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from capas.bundle.size_bound import uncounted
from capas.data.text.tfidf import SparseFeatures, TfIdfVectorizer
from capas.data.text.vocabulary import PAD, UNKNOWN, WordVocabulary
from capas.data.text.wordpiece import WordPieceTokenizer
from capas.engine.recipes.single_output.text.defaults import LINEAR, MINILM
from capas.networks.sequence.bag_of_ngrams import BagOfNgrams, BagOfNgramsConfig
from capas.networks.sequence.minilm import (
    WEIGHTS_SHA256,
    EmbeddingHead,
    EmbeddingHeadConfig,
    SentenceEncoder,
    minilm_vocabulary_file,
    sentence_encoder,
)
from capas.networks.sequence.sparse_linear import SparseLinear, SparseLinearConfig
from capas.networks.sequence.text_cnn import TextCNN, TextCNNConfig
from capas.networks.sequence.text_transformer import TextTransformer, TextTransformerConfig

MAX_TOKENS: Final = 400
ENCODING_BATCH: Final = 32
MAX_TERMS: Final = 200_000  # of words, and of letters
MAX_WEIGHTS: Final = 3_000_000  # of the terms of one kind for all outputs: 12 MB
MAX_OUTPUTS_OF_LETTERS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PaddedTokenIds:
    """A batch of token ids.

    Attributes:
        tokens: Int64, shape (B, T), padded on the right.
        lengths: Int64, shape (B,).
    """

    tokens: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceEmbeddings:
    """A batch of sentence embeddings, float32, shape (B, 384), of norm 1."""

    embeddings: Tensor

    def rows(self, picked: Tensor) -> "SentenceEmbeddings":
        """Return the embeddings at the indices ``picked``, in this order."""
        return SentenceEmbeddings(embeddings=self.embeddings[picked])


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingsWithTerms:
    """A batch of sentence embeddings (B, 384), and of the same texts' terms as in ``SparseFeatures``."""

    embeddings: Tensor
    indices: Tensor
    weights: Tensor
    offsets: Tensor


TextInputs = SparseFeatures | PaddedTokenIds | SentenceEmbeddings | EmbeddingsWithTerms


class TfidfEncoding:
    """Texts as tf-idf of words and letters."""

    encoder: SentenceEncoder | None = None
    num_leading_tokens = 0

    def __init__(self, tfidf: TfIdfVectorizer) -> None:
        self.tfidf = tfidf

    def encode(self, texts: Sequence[str]) -> SparseFeatures:
        return self.tfidf.features(texts)

    def count_tokens(self, word: str) -> int:
        return 1

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        return SparseLinear(SparseLinearConfig(features=max(1, len(self.tfidf)), num_classes=num_outputs))

    def as_json(self) -> Mapping[str, object]:
        return self.tfidf.as_json()


class EmbeddingsWithTermsEncoding:
    """Texts as sentence embeddings for a network, and as tf-idf for the linear model beside it."""

    def __init__(self, own: "SentenceEmbeddingEncoding", terms: TfidfEncoding) -> None:
        self.own = own
        self.terms = terms
        self.encoder: SentenceEncoder | None = own.encoder
        self.num_leading_tokens = own.num_leading_tokens

    def encode(self, texts: Sequence[str]) -> EmbeddingsWithTerms:
        terms = self.terms.encode(texts)
        return EmbeddingsWithTerms(
            embeddings=self.own.encode(texts).embeddings, indices=terms.indices, weights=terms.weights,
            offsets=terms.offsets,
        )  # fmt: skip

    def count_tokens(self, word: str) -> int:
        return self.own.count_tokens(word)

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        return self.own.network(name, num_outputs, width)

    def as_json(self) -> Mapping[str, object]:
        return {**self.own.as_json(), "terms": self.terms.as_json()}


class TokenIdEncoding:
    """Texts as the ids of their first 400 words."""

    encoder: SentenceEncoder | None = None
    num_leading_tokens = 0

    def __init__(self, vocabulary: WordVocabulary) -> None:
        self.vocabulary = vocabulary

    def encode(self, texts: Sequence[str]) -> PaddedTokenIds:
        return pad_token_ids([self.vocabulary.encode(text)[:MAX_TOKENS] or [UNKNOWN] for text in texts])

    def count_tokens(self, word: str) -> int:
        return len(self.vocabulary.encode(word))

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


class SentenceEmbeddingEncoding:
    """Texts as embeddings of a frozen sentence encoder; nothing is fitted to the training texts."""

    num_leading_tokens = 1  # [CLS]

    def __init__(self, encoder: SentenceEncoder, pieces: WordPieceTokenizer) -> None:
        self.encoder = encoder
        self.pieces = pieces

    @staticmethod
    def open() -> "SentenceEmbeddingEncoding":
        """Load the installed encoder. Raises CapasError ``minilm_missing`` or ``minilm_changed``."""
        with uncounted():
            encoder = sentence_encoder()
        return SentenceEmbeddingEncoding(encoder, WordPieceTokenizer.from_file(minilm_vocabulary_file()))

    @staticmethod
    def from_json(tree: Mapping[str, object]) -> "SentenceEmbeddingEncoding":
        """Load the encoder that a bundle names. Raises ValueError where it was trained with other weights, else as
        ``open``.
        """
        known = {"kind": "minilm", "weights": WEIGHTS_SHA256}
        if dict(tree) != known:
            raise ValueError(f"expected {known}")
        return SentenceEmbeddingEncoding.open()

    @torch.no_grad()
    def encode(
        self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> SentenceEmbeddings:
        rows = [self.pieces.encode(text) for text in texts]
        # Texts of like length together, so that little is computed for padding.
        order = torch.tensor(sorted(range(len(rows)), key=lambda i: len(rows[i])), dtype=torch.int64)
        vectors = torch.empty(len(rows), self.encoder.places.embedding_dim)
        for start in range(0, len(rows), ENCODING_BATCH):
            part = order[start : start + ENCODING_BATCH]
            batch = pad_token_ids([rows[i] for i in part.tolist()])
            vectors[part] = self.encoder(batch.tokens, batch.lengths)
            progress(start + len(part), len(rows))
        return SentenceEmbeddings(embeddings=vectors)

    def count_tokens(self, word: str) -> int:
        return len(self.pieces.encode(word)) - 2  # without [CLS] and [SEP]

    def network(self, name: str, num_outputs: int, width: int) -> nn.Module:
        return EmbeddingHead(EmbeddingHeadConfig(num_classes=num_outputs, width=width))

    def as_json(self) -> Mapping[str, object]:
        return {"kind": "minilm", "weights": WEIGHTS_SHA256}


def pad_token_ids(rows: Sequence[Sequence[int]]) -> PaddedTokenIds:
    """Return rows of at least one token each as a padded batch."""
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), PAD)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row)
    return PaddedTokenIds(tokens=tokens, lengths=lengths)


TextEncoding = TfidfEncoding | TokenIdEncoding | SentenceEmbeddingEncoding | EmbeddingsWithTermsEncoding


def fit_text_encoding(name: str, texts: Sequence[str], num_outputs: int = 2) -> TextEncoding:
    """Return the encoding for the network ``name``, fitted to the training texts."""
    if name == MINILM:
        return SentenceEmbeddingEncoding.open()
    if name == LINEAR:
        return fit_terms(texts, num_outputs)
    return TokenIdEncoding(WordVocabulary.learn(texts, min_count=2 if len(texts) > 200 else 1, max_size=30_000))


def fit_terms(texts: Sequence[str], num_outputs: int = 2) -> TfidfEncoding:
    """Return tf-idf of words, pairs of words and groups of 2 to 5 letters, fitted to the training texts; with more than
    20 outputs of words alone, since a linear model of letters would take minutes and many megabytes.
    """
    most = min(MAX_TERMS, MAX_WEIGHTS // num_outputs)
    letters = (2, 5) if num_outputs <= MAX_OUTPUTS_OF_LETTERS else None
    longest, min_texts = (2, 1) if letters else (1, 2 if len(texts) > 200 else 1)
    # Terms of one text are kept where there are letters: other texts share those.
    return TfidfEncoding(
        TfIdfVectorizer.fit(texts, longest=longest, letters=letters, min_texts=min_texts, max_features=most)
    )


def restore_text_encoding(name: str, tree: Mapping[str, object]) -> TextEncoding:
    """Restore the encoding of the network ``name`` from the JSON of its ``as_json``. Raises ValueError on anything
    else, and CapasError where the weights of a frozen encoder are not installed.
    """
    match name:
        case "text-linear":
            return TfidfEncoding(TfIdfVectorizer.from_json(tree))
        case "text-minilm":
            own = SentenceEmbeddingEncoding.from_json({key: tree[key] for key in ("kind", "weights") if key in tree})
            terms = tree.get("terms")
            if not isinstance(terms, Mapping):
                return own
            return EmbeddingsWithTermsEncoding(own, TfidfEncoding(TfIdfVectorizer.from_json(terms)))
    return TokenIdEncoding(WordVocabulary.from_json(tree))
