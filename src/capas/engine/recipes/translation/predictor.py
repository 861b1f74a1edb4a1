"""Inference and evaluation of translation models; long texts are translated line by line or sentence by sentence."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from torch import nn

from capas.bundle.export import Exportable
from capas.core.errors import CapasError
from capas.core.i18n import say
from capas.data.inspect.report import DatasetReport
from capas.data.text.sentence_splitter import split_sentences
from capas.data.text.vocabulary import SubwordVocabulary
from capas.decoding.seq2seq_beam import TranslationHypothesis
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.shared.text_items import read_text_item, text_item, text_items
from capas.engine.recipes.translation.data import (
    input_texts,
)
from capas.engine.recipes.translation.decode import translate_encoded
from capas.engine.recipes.translation.evaluate import evaluate_translations


class TranslationPredictor:
    """A trained translation model (``Predictor``).

    Args:
        network: A ``Transformer``.
        vocabulary: The shared subword vocabulary.
        longest: Most tokens per translated segment.
        beam: Beam width.
        alpha: Exponent of the length penalty.
    """

    def __init__(
        self, network: nn.Module, vocabulary: SubwordVocabulary, longest: int, beam: int, alpha: float
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.max_pieces = longest
        self.beam, self.alpha = beam, alpha

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return text_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return text_item(content, number)

    def preprocess(self, item: Item) -> object:
        """Return the text as encoded segments, each with the whitespace before it. Raises CapasError ``piece_too_long``
        and those of ``read_text_item``.
        """
        parts = split_text(read_text_item(item), lambda text: len(self.vocabulary.encode(text)) <= self.max_pieces)
        encoded = [(between, self.vocabulary.encode(text)) for between, text in parts]
        longest = max(len(pieces) for _, pieces in encoded)
        if longest > self.max_pieces:
            raise CapasError("piece_too_long", where=item.name, received=longest, longest=self.max_pieces)
        return encoded

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        return [answer for answer, _ in self.predict_with_hypotheses(names, prepared)]

    def predict_with_hypotheses(
        self, names: Sequence[str], prepared: Sequence[object]
    ) -> list[tuple[Prediction, list[tuple[list[int], TranslationHypothesis]]]]:
        """Return the predictions, each with its segments: source token ids and beam-search hypothesis."""
        texts = cast(Sequence[Sequence[tuple[str, list[int]]]], prepared)
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        pieces = [encoded for text in texts for _, encoded in text]
        hypotheses = iter(translate_encoded(self.network, pieces, execution, beam=self.beam, alpha=self.alpha))
        searched = []
        for name, text in zip(names, texts, strict=True):
            best = [next(hypotheses) for _ in text]
            joined = [(between, one) for (between, _), one in zip(text, best, strict=True)]
            read = [encoded for _, encoded in text]
            searched.append((self._prediction(name, joined), list(zip(read, best, strict=True))))
        return searched

    def _prediction(self, name: str, hypotheses: Sequence[tuple[str, TranslationHypothesis]]) -> Prediction:
        text = "".join(between + self.vocabulary.decode(one.tokens).strip() for between, one in hypotheses)
        facts = {"translation": text, "log_probability": round(sum(one.log_probability for _, one in hypotheses), 4)}
        return Prediction(input=name, prediction=text, facts=facts, text=text)

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        sources, references = (
            [input_texts(side)[i] for i in indices] for side in (report.inputs, report.source.targets)
        )
        names = [report.inputs.name(i) for i in indices]
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        encoded = [self.vocabulary.encode(text)[: self.max_pieces] for text in sources]
        hypotheses = translate_encoded(self.network, encoded, execution, beam=self.beam, alpha=self.alpha)
        return evaluate_translations(
            names, sources, references, [self.vocabulary.decode(one.tokens).strip() for one in hypotheses]
        )

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raise CapasError("export_not_possible", received="translate (text)", reason=say("export.search_in_steps"))


def split_text(text: str, fits: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Split a text into lines, and lines that do not fit into sentences, each with the whitespace before it.

    >>> split_text("One. Two.\\n\\nThree.", lambda line: len(line) < 9)
    [('', 'One.'), (' ', 'Two.'), ('\\n\\n', 'Three.')]
    """
    parts: list[tuple[str, str]] = []
    between = ""
    for stretch in re.split(r"(\s*\n\s*)", text.strip()):
        if stretch.strip():
            for piece in [stretch] if fits(stretch) else split_sentences(stretch):
                parts.append((between, piece))
                between = " "
        else:
            between = stretch
    return parts
