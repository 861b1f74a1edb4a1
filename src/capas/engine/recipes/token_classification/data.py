"""Label sets, and batches of labelled sentences."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from capas.data.collections import ExampleCollection, SentenceCollection
from capas.data.text.word_features import EncodedWords, WordFeatures
from capas.decoding.label_schemes import convert_scheme, forbidden_transitions, labels_to_entities
from capas.engine.config import Config
from capas.networks.sequence.bilstm_crf import SequenceLabeller, SequenceLabellerConfig

_SPAN: Final = re.compile(r"[BIESLU]-.+")
Words = Sequence[str]


class LabelSet:
    """The labels of the network's outputs; entity labels are IOB2, whatever scheme the data uses."""

    def __init__(self, labels: Sequence[str]) -> None:
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(f"labels are {list(labels)}; expected at least one, each once")
        self.labels = tuple(labels)
        self.spans = any(map(_SPAN.fullmatch, labels))
        self._number = {label: i for i, label in enumerate(labels)}

    @classmethod
    def from_data(cls, labels: Sequence[str]) -> "LabelSet":
        """Return the label set for the labels that occur in the data."""
        if not any(map(_SPAN.fullmatch, labels)):
            return cls(sorted(labels))
        kinds = sorted({entity.kind for label in labels for entity in labels_to_entities([label])})
        return cls(["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")])

    def to_scheme(self, labels: Words) -> list[str]:
        """Convert the labels of a sentence to this set's scheme."""
        return convert_scheme(labels, "IOB2") if self.spans else list(labels)

    def encode(self, labels: Words) -> list[int]:
        """Return the ids of labels in this set's scheme."""
        return [self._number[label] for label in labels]

    def network(self, code: WordFeatures, width: int) -> SequenceLabeller:
        """Build a BiLSTM-CRF with fresh weights."""
        forbidden, start = forbidden_transitions(self.labels, "IOB2") if self.spans else (None, None)
        shape = SequenceLabellerConfig(
            num_words=2 + len(code.words), num_chars=2 + len(code.characters), num_labels=len(self.labels),
            feature_sizes=code.feature_sizes, hidden=width,
        )  # fmt: skip
        counts = code.word_counts() if code.counts else None
        return SequenceLabeller(shape, word_counts=counts, forbidden=forbidden, forbidden_start=start)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLabelBatch:
    """A batch of labelled sentences.

    Attributes:
        inputs: Encoded words.
        labels: Label ids, int64, shape (B, T), 0 behind a sentence's end.
    """

    inputs: EncodedWords
    labels: Tensor


def collate_sentences(
    code: WordFeatures, labels: LabelSet, sentences: Sequence[Words], targets: Sequence[Words]
) -> TokenLabelBatch:
    """Return sentences and their labels as a padded batch."""
    rows = [torch.tensor(labels.encode(row)) for row in targets]
    return TokenLabelBatch(inputs=code.encode(sentences), labels=nn.utils.rnn.pad_sequence(rows, batch_first=True))


def sentences_of(inputs: ExampleCollection | None) -> Sequence[Words]:
    assert isinstance(inputs, SentenceCollection)
    return inputs.sentences


def fit_word_features(config: Config, sentences: Sequence[Words]) -> WordFeatures:
    """Fit vocabulary and word features to the training sentences."""
    return WordFeatures.fit(sentences, max_words=int(config.text.vocab_size))


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledWord:
    """The predicted label of a word, with its marginal probability given the sentence."""

    label: str
    probability: float
