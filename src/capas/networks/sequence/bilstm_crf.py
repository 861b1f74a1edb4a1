"""BiLSTM-CRF sequence labelling: Lample et al., "Neural Architectures for Named Entity Recognition", NAACL 2016
(characters by a BiLSTM); Ma & Hovy, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", ACL 2016
(characters by a convolution).

    word t = [ embedding(word) ; characters(word) ; embedding(feature 1) ; … ]          dropout
    h_t    = [ →LSTM ; ←LSTM ]                                                          dropout
    emission_t = W h_t + b,    labels by a linear-chain CRF

Where we deviate: no pretrained embeddings are needed; what they know of rare words is partly made up for by any number
of categorical features of the word (capitalisation, prefixes, suffixes), as in Collobert et al. 2011, Section 6. A word
is replaced by the unknown word while training with probability α / (α + count) (Kiperwasser & Goldberg 2016, Section
3), not only the singletons; the character encoder has no dropout of its own.

Shapes: B sentences, T words, C characters, F features, K labels. In all inputs 0 is padding; word 1 is the unknown.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from capas.networks.sequence.crf import LinearChainCRF
from capas.networks.sequence.lstm import LSTM, LSTMConfig

UNKNOWN = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceLabellerConfig:
    """Sizes of the vocabularies (padding and unknown included) and of the layers.

    Attributes:
        num_words: Word vocabulary.
        num_chars: Character vocabulary.
        num_labels: Number of labels.
        feature_sizes: Number of values of each categorical feature of a word.
        word_dim: Width of the word embeddings.
        char_dim: Width of the character embeddings.
        char_hidden: Filters of the convolution, or LSTM units per direction.
        char_encoder: How characters are encoded.
        feature_dim: Width of each feature's embedding.
        hidden: LSTM units per direction.
        layers: LSTM layers.
        dropout: Share of units dropped, in [0, 1).
        unknown_alpha: α of the replacement of rare words, 0 for none.
    """

    num_words: int
    num_chars: int
    num_labels: int
    feature_sizes: tuple[int, ...] = ()
    word_dim: int = 100
    char_dim: int = 30
    char_hidden: int = 50
    char_encoder: Literal["convolution", "lstm"] = "convolution"
    feature_dim: int = 20
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.5
    unknown_alpha: float = 0.25

    def __post_init__(self) -> None:
        sizes = (self.num_words - 1, self.num_chars, self.num_labels, self.word_dim, self.char_dim, self.char_hidden)
        if min((*sizes, *self.feature_sizes, self.feature_dim, self.hidden, self.layers)) < 1:
            raise ValueError(f"{self}: every size must be 1 or more, and num_words 2 or more")
        if not 0 <= self.dropout < 1 or self.unknown_alpha < 0:
            raise ValueError(f"{self}: expected 0 ≤ dropout < 1 and unknown_alpha ≥ 0")


class SequenceLabeller(nn.Module):
    """Words with their characters and features → emission scores; ``crf`` decodes those into labels.

    Args:
        config: Sizes.
        word_counts: Occurrences of each word in the training text, shape (num_words,); without it no word is replaced.
        forbidden: Transitions that the CRF rules out, bool (K, K).
        forbidden_start: Labels that may not come first, bool (K,).
    """

    def __init__(
        self,
        config: SequenceLabellerConfig,
        *,
        word_counts: Tensor | None = None,
        forbidden: Tensor | None = None,
        forbidden_start: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        counts = torch.full((config.num_words,), torch.inf) if word_counts is None else word_counts.float()
        self.hiding: Tensor
        self.register_buffer("hiding", config.unknown_alpha / (config.unknown_alpha + counts), persistent=False)
        self.words = _embedding(config.num_words, config.word_dim)
        self.characters = (CharacterConvolution if config.char_encoder == "convolution" else CharacterLSTM)(config)
        self.features = nn.ModuleList(_embedding(size, config.feature_dim) for size in config.feature_sizes)
        width = config.word_dim + self.characters.out_features + config.feature_dim * len(config.feature_sizes)
        self.lstm = LSTM(
            LSTMConfig(
                in_features=width, hidden=config.hidden, layers=config.layers, bidirectional=True,
                dropout=config.dropout,
            )
        )  # fmt: skip
        self.output = nn.Linear(2 * config.hidden, config.num_labels)
        self.crf = LinearChainCRF(config.num_labels, forbidden=forbidden, forbidden_start=forbidden_start)

    def forward(
        self,
        words_BT: Int[Tensor, "B T"],
        chars_BTC: Int[Tensor, "B T C"],
        lengths_B: Int[Tensor, " B"],
        features_BTF: Int[Tensor, "B T F"] | None = None,
    ) -> Float[Tensor, "B T K"]:
        """Return emission scores (B, T, K), unbounded. ``features_BTF`` is needed where the configuration has
        features.
        """
        mask_BT = step_mask(lengths_B, words_BT.shape[1])
        if self.training:
            hidden = torch.rand(words_BT.shape, device=words_BT.device) < self.hiding[words_BT]
            words_BT = words_BT.masked_fill(hidden & mask_BT, UNKNOWN)
        parts = [self.words(words_BT), self._spelt(chars_BTC, mask_BT)]
        if features_BTF is not None:
            parts += [table(values) for table, values in zip(self.features, features_BTF.unbind(2), strict=True)]
        x_BTD = functional.dropout(torch.cat(parts, dim=2), self.config.dropout, self.training)
        outputs = self.lstm.outputs(x_BTD, lengths_B)
        emissions: Tensor = self.output(functional.dropout(outputs, self.config.dropout, self.training))
        return emissions

    def log_likelihood(
        self,
        words_BT: Int[Tensor, "B T"],
        chars_BTC: Int[Tensor, "B T C"],
        lengths_B: Int[Tensor, " B"],
        features_BTF: Int[Tensor, "B T F"] | None,
        labels_BT: Int[Tensor, "B T"],
    ) -> Float[Tensor, " B"]:
        """Return log P(labels | sentence) in nats, ≤ 0; in float32, whatever the emissions were computed in."""
        emissions_BTK = self(words_BT, chars_BTC, lengths_B, features_BTF).float()
        return self.crf.log_likelihood(emissions_BTK, labels_BT, step_mask(lengths_B, words_BT.shape[1]))

    def _spelt(self, chars_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        # The same word is spelt but once per batch: half of the work in running text.
        spellings, which = torch.unique(chars_BTC[mask_BT], dim=0, return_inverse=True)
        encoded: Tensor = self.characters(spellings)[which]
        return encoded.new_zeros(*mask_BT.shape, encoded.shape[1]).masked_scatter(mask_BT[:, :, None], encoded)


class CharacterConvolution(nn.Module):
    """Words as characters (N, C) → (N, char_hidden): the maximum over filters three characters wide (Ma & Hovy)."""

    def __init__(self, config: SequenceLabellerConfig) -> None:
        super().__init__()
        self.out_features = config.char_hidden
        self.table = _embedding(config.num_chars, config.char_dim)
        self.convolution = nn.Conv1d(config.char_dim, config.char_hidden, 3, padding=1)

    def forward(self, chars_NC: Int[Tensor, "N C"]) -> Float[Tensor, "N H"]:
        """Return one vector per word, independent of the padding behind it."""
        responses: Tensor = self.convolution(self.table(chars_NC).transpose(1, 2))
        return responses.masked_fill((chars_NC == 0)[:, None], -torch.inf).amax(2)


class CharacterLSTM(nn.Module):
    """Words as characters (N, C) → (N, 2·char_hidden): the last states of both directions (Lample et al.)."""

    def __init__(self, config: SequenceLabellerConfig) -> None:
        super().__init__()
        self.out_features = 2 * config.char_hidden
        self.table = _embedding(config.num_chars, config.char_dim)
        self.lstm = LSTM(LSTMConfig(in_features=config.char_dim, hidden=config.char_hidden, bidirectional=True))

    def forward(self, chars_NC: Int[Tensor, "N C"]) -> Float[Tensor, "N H"]:
        """Return one vector per word, independent of the padding behind it."""
        _, (h, _) = self.lstm(self.table(chars_NC), (chars_NC != 0).sum(1))
        return torch.cat([h[0], h[1]], dim=1)


def step_mask(lengths_B: Int[Tensor, " B"], steps: int) -> Tensor:
    """Return a mask (B, steps), True inside each sentence."""
    return torch.arange(steps, device=lengths_B.device) < lengths_B[:, None]


def _embedding(size: int, dim: int) -> nn.Embedding:
    # Ma & Hovy, Section 3.1: uniform with the variance of one over the dimension; padding stays zero.
    table = nn.Embedding(size, dim, padding_idx=0)
    bound = (3 / dim) ** 0.5
    with torch.no_grad():
        table.weight[1:].uniform_(-bound, bound)
    return table
