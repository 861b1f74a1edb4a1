"""Inference and evaluation of token classifiers."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from torch import nn

from capas.bundle.export import Exportable, ExportInput
from capas.bundle.export_wrappers import CRFEmissions
from capas.data.inspect.report import DatasetReport
from capas.data.text.word_features import WordFeatures
from capas.engine.execution import Execution
from capas.engine.recipe import Item, Prediction, TestResult
from capas.engine.recipes.token_classification.data import LabelledWord, LabelSet, Words, sentences_of
from capas.engine.recipes.token_classification.evaluate import evaluate_labels
from capas.engine.recipes.token_classification.items import read_sentence_words, sentence_item, sentence_items
from capas.engine.recipes.token_classification.network import label_sentences
from capas.engine.recipes.token_classification.rendering import label_texts
from capas.networks.sequence.bilstm_crf import SequenceLabeller


class TokenClassificationPredictor:
    """A trained token classifier (``Predictor``)."""

    def __init__(self, network: nn.Module, code: WordFeatures, labels: LabelSet, longest: int) -> None:
        self.network = network
        self.code = code
        self.labels = labels
        self.longest = longest

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return sentence_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return sentence_item(content, number)

    def preprocess(self, item: Item) -> object:
        return read_sentence_words(item)

    def predict(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        texts = cast(Sequence[Sequence[Words]], prepared)
        return label_texts(names, texts, self._label, spans=self.labels.spans)

    def _label(self, sentences: Sequence[Words]) -> list[list[LabelledWord]]:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return label_sentences(self.network, self.code, self.labels, sentences, execution, self.longest)

    def evaluate(self, report: DatasetReport, indices: Sequence[int]) -> TestResult:
        given = [sentences_of(report.inputs)[i] for i in indices]
        wanted = [self.labels.to_scheme(sentences_of(report.source.targets)[i]) for i in indices]
        found = [[word.label for word in words] for words in self._label(given)]
        return evaluate_labels([report.inputs.name(i) for i in indices], given, wanted, found, self.labels, None)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, SequenceLabeller)
        read = [words for text in cast(Sequence[Sequence[Words]], prepared) for words in text if words]
        encoded = [self.code.encode([words[: self.longest]]) for words in read or [self.code.words[:9] or ("a", "b")]]
        compared = [(one.words, one.characters, one.features) for one in encoded]
        made_up = self.code.encode([["abc", "de", "fghi"]])
        crf = self.network.crf
        rules = {"transitions": crf.transitions.tolist(), "start": crf.start.tolist(), "end": crf.end.tolist(),
                 "forbidden": crf.forbidden.tolist(), "forbidden_start": crf.forbidden_start.tolist()}  # fmt: skip
        description = (
            "scores of each label for each word; the labels are the path with the largest sum of these, of its "
            "transitions (from row to column), its start and its end (Viterbi), none of it forbidden"
        )
        places = ("words", "characters", "features")
        axes: tuple[tuple[str | int, ...], ...] = (
            (1, "words"), (1, "words", "letters"), (1, "words", made_up.features.shape[2]))  # fmt: skip
        meanings = ("its place in the list of words, from 2 on; 1 for others", "the same of its characters",
                    "the same of its shape, its first two and three letters, its last two, three and four")  # fmt: skip
        examples = (made_up.words, made_up.characters, made_up.features)
        return Exportable(
            network=CRFEmissions(self.network),
            inputs=[ExportInput(name=n, axes=a, values=v, example=e)
                    for n, a, v, e in zip(places, axes, meanings, examples, strict=True)],
            output="emissions", axes=(1, "words", len(self.labels.labels)), compared=compared, count=len(compared),
            facts={"labels": list(self.labels.labels), "emissions": description, **rules},
            vocabulary=self.code.as_json(),
        )  # fmt: skip
