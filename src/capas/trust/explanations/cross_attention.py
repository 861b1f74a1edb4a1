"""Cross-attention of a translation model: which source words the decoder attends to for each target word.

The decoder's attention to the source, the mean over its layers and heads, at the step that chooses each token: the soft
alignment of Bahdanau, Cho & Bengio, ICLR 2015 (arXiv:1409.0473), Section 5.2, in the Transformer of Vaswani et al.
2017. A source word has the sum over its tokens, a target word the mean over its own. What is left to 1 went to the
end-of-sentence token of the source, which absorbs the attention of steps that need nothing more.

Attention is a weak explanation (Jain & Wallace, NAACL 2019): a word that is attended to need not have decided.

Shapes: H heads, T target tokens, S source tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from capas.data.text.vocabulary import BOS, EOS, SubwordVocabulary
from capas.engine.recipe import Item, Prediction
from capas.engine.recipes.translation.predictor import TranslationPredictor
from capas.networks.sequence.attention import capture_attention

CROSS_ATTENTION_METHOD = "attention_to_source"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetWordAttention:
    """A target word and its attention weights on the source words, 0..1."""

    word: str
    weights: tuple[float, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        return {"word": self.word, "weights": [round(weight, 4) for weight in self.weights]}


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentCrossAttention:
    """The cross-attention of one segment, a line or sentence that was translated as one."""

    source_words: tuple[str, ...]
    target_words: tuple[TargetWordAttention, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields for ``--json``."""
        return {"source": list(self.source_words), "written": [one.as_json() for one in self.target_words]}


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationExplanation:
    """A translation with the cross-attention of each of its segments."""

    prediction: Prediction
    segments: tuple[SegmentCrossAttention, ...]

    def as_json(self) -> dict[str, object]:
        """Return the fields of ``capas explain --json``."""
        return {
            **self.prediction.as_json(),
            "method": CROSS_ATTENTION_METHOD,
            "pieces": [piece.as_json() for piece in self.segments],
        }


def explain_translation(model: TranslationPredictor, item: Item) -> TranslationExplanation:
    """Translate a text and return its cross-attention. Raises CapasError when it cannot be read."""
    ((answer, found),) = model.predict_with_hypotheses([item.name], [model.preprocess(item)])
    pieces = tuple(_looked_at(model, encoded, one.tokens) for encoded, one in found)
    return TranslationExplanation(prediction=answer, segments=pieces)


@torch.no_grad()
def source_attention(network: nn.Module, source: Sequence[int], target: Sequence[int]) -> Float[Tensor, "T S"]:
    """Return the mean cross-attention at the step that produces each token of ``target``.

    Rows sum to one, with the end-of-sentence token of the source.
    """
    device = next(network.parameters()).device
    tokens = torch.tensor([source], device=device)
    decoder_input = torch.tensor([[BOS, *target]], device=device)
    with capture_attention(network) as kept:
        network(tokens, torch.tensor([len(source)], device=device), decoder_input)
    crossings = [weights[0] for name, weights in kept.items() if name.endswith(".cross")]
    # The last row chooses the end.
    return torch.stack(crossings).mean((0, 1))[:-1].cpu()


def word_token_spans(vocabulary: SubwordVocabulary, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
    """Return each whitespace-separated word with the half-open range of its tokens."""
    starts = [i for i, token in enumerate(tokens) if i == 0 or vocabulary.tokens[token][:1].isspace()]
    ends = [*starts[1:], len(tokens)]
    named = [(vocabulary.decode(tokens[a:b]).strip(), a, b) for a, b in zip(starts, ends, strict=True)]
    return [group for group in named if group[0]]


def _looked_at(model: TranslationPredictor, encoded: Sequence[int], tokens: Sequence[int]) -> SegmentCrossAttention:
    weights = source_attention(model.network, [*encoded, EOS], tokens)
    source = word_token_spans(model.vocabulary, encoded)
    by_word = torch.stack([weights[:, a:b].sum(1) for _, a, b in source], dim=1)
    written = tuple(
        TargetWordAttention(word=word, weights=tuple(by_word[a:b].mean(0).tolist()))
        for word, a, b in word_token_spans(model.vocabulary, tokens)
    )
    return SegmentCrossAttention(source_words=tuple(word for word, _, _ in source), target_words=written)
