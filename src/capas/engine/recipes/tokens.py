"""Sentences with a label for every word: entities (labels B-PER, I-PER, O …), or labels that stand for themselves."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable, Given
from capas.bundle.export_forms import Emissions
from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed
from capas.data.batch import OrderedBatches
from capas.data.inputs import Inputs, Sentences
from capas.data.look import Look
from capas.data.word_features import EncodedWords, WordFeatures
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Prediction, Settled, Tested, Work
from capas.engine.recipes.label_answers import LabelledWord, answers, read_words, sentence_item, sentence_items
from capas.engine.recipes.one_answer import order_of
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.sequence_labeller import SequenceLabeller, SequenceLabellerConfig, step_mask
from capas.tasks.labelling import Labelling, loss_per_word
from capas.tasks.labels import LabelFigures, convert, entities, forbidden_transitions, label_figures
from capas.tasks.metrics import rate

NAME: Final = "bilstm-crf"
WIDTH, VOCABULARY, MAX_WORDS, BATCH = 128, 50_000, 500, 64
_SPAN: Final = re.compile(r"[BIESLU]-.+")
Words = Sequence[str]


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for sentences with labels."""
    n = max(1, seen.split.count("train"))
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    batch = max(2, min(16, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = chosen(config.train.epochs, float(max(8, min(60, round(50_000 / n)))))
    # Averaged over about a pass, with little warming up, as measured on names in Spanish newspapers.
    made = filled(
        config, name=NAME, width=WIDTH, batch_size=batch, epochs=epochs, learning_rate=2e-3, weight_decay=0.0,
        warmup=0.05, ema=0.998, clip=5.0,
    )  # fmt: skip
    text = config.text.model_copy(
        update={
            "vocabulary": chosen(config.text.vocabulary, VOCABULARY),
            "max_words": chosen(config.text.max_words, MAX_WORDS),
        }
    )
    return Settled(
        config=made.model_copy(update={"text": text}),
        reasons=(say("settle.labels", network=NAME), say("settle.epochs", epochs=int(epochs), n=n)),
    )


class LabelSet:
    """The labels that the network tells apart; those that mark entities are IOB2, whatever the data's are."""

    def __init__(self, labels: Sequence[str]) -> None:
        if not labels or len(set(labels)) != len(labels):
            raise ValueError(f"labels are {list(labels)}; expected at least one, each once")
        self.labels = tuple(labels)
        self.spans = any(map(_SPAN.fullmatch, labels))
        self._number = {label: i for i, label in enumerate(labels)}

    @classmethod
    def of(cls, found: Sequence[str]) -> "LabelSet":
        """For the labels that data hold."""
        if not any(map(_SPAN.fullmatch, found)):
            return cls(sorted(found))
        kinds = sorted({entity.kind for label in found for entity in entities([label])})
        return cls(["O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")])

    def read(self, labels: Words) -> list[str]:
        """The labels of a sentence in this set's scheme."""
        return convert(labels, "IOB2") if self.spans else list(labels)

    def encode(self, labels: Words) -> list[int]:
        """Their numbers, once read."""
        return [self._number[label] for label in labels]

    def network(self, code: WordFeatures, width: int) -> SequenceLabeller:
        """A network with fresh weights."""
        forbidden, start = forbidden_transitions(self.labels, "IOB2") if self.spans else (None, None)
        shape = SequenceLabellerConfig(
            num_words=2 + len(code.words), num_chars=2 + len(code.characters), num_labels=len(self.labels),
            feature_sizes=code.feature_sizes, hidden=width,
        )  # fmt: skip
        counts = code.word_counts() if code.counts else None
        return SequenceLabeller(shape, word_counts=counts, forbidden=forbidden, forbidden_start=start)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledBatch:
    """``inputs`` and int64 ``labels`` B×T, 0 beyond a sentence's end."""

    inputs: EncodedWords
    labels: Tensor


def batch_of(
    code: WordFeatures, labels: LabelSet, sentences: Sequence[Words], wanted: Sequence[Words]
) -> LabelledBatch:
    """Sentences with their labels, as long as one another."""
    rows = [torch.tensor(labels.encode(row)) for row in wanted]
    return LabelledBatch(inputs=code.encode(sentences), labels=nn.utils.rnn.pad_sequence(rows, batch_first=True))


@torch.no_grad()
def label_sentences(
    network: nn.Module, code: WordFeatures, labels: LabelSet, sentences: Sequence[Words], execution: Execution,
    longest: int = MAX_WORDS,
) -> list[list[LabelledWord]]:  # fmt: skip
    """The likeliest labels of each sentence; one of more than ``longest`` words is labelled in pieces."""
    assert isinstance(network, SequenceLabeller)
    network.eval()
    places = [(i, start) for i, words in enumerate(sentences) for start in range(0, len(words), longest)]
    pieces = [sentences[i][start : start + longest] for i, start in places]
    found: dict[tuple[int, int], list[LabelledWord]] = {}
    by_length = sorted(range(len(pieces)), key=lambda p: len(pieces[p]))
    for first in range(0, len(by_length), BATCH):
        part = by_length[first : first + BATCH]
        inputs = execution.place_batch(code.encode([pieces[p] for p in part]))
        with execution.autocast():
            emissions = network(inputs.words, inputs.characters, inputs.lengths, inputs.features)
        mask, emissions = step_mask(inputs.lengths, inputs.words.shape[1]), emissions.float()
        paths, _ = network.crf.best_paths(emissions, mask)
        marginals = network.crf.marginals(emissions, mask).cpu()
        for p, path, chances in zip(part, paths, marginals, strict=True):
            sure = chances[torch.arange(len(path)), torch.tensor(path)].tolist()
            found[places[p]] = [
                LabelledWord(label=labels.labels[k], probability=chance) for k, chance in zip(path, sure, strict=True)
            ]
    whole: list[list[LabelledWord]] = [[] for _ in sentences]
    for i, start in places:
        whole[i] += found[i, start]
    return whole


class LabelSentences:
    """A Learnable of sentences with labels."""

    head: str | None = None

    def __init__(self, work: Work, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.sentences = [_sentences(work.inputs)[i] for i in work.indices]
        self.labels = LabelSet.of(work.spec.classes)
        self.wanted = [self.labels.read(_sentences(work.targets)[i]) for i in work.indices]
        train = work.record.positions("train")
        self.code = fit_words(self.config, [self.sentences[i] for i in train.tolist()])
        self._network = build_network(self.config, self.code, self.labels)
        self._objective = Labelling(self._network)
        self._longest = int(self.config.text.max_words)
        lengths = torch.tensor([min(self._longest, len(self.sentences[i])) for i in train.tolist()])
        order = order_of(self.config, train, ranks, lengths=lengths)
        self._batches = OrderedBatches(order, work.record.names, lambda chosen, rng: self._batch(chosen))

    def _batch(self, positions: Tensor) -> LabelledBatch:
        numbers = positions.tolist()
        given, wanted = ([rows[i][: self._longest] for i in numbers] for rows in (self.sentences, self.wanted))
        return batch_of(self.code, self.labels, given, wanted)

    @property
    def objective(self) -> Labelling:
        return self._objective

    @property
    def batches(self) -> OrderedBatches[LabelledBatch]:
        return self._batches

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    def validate(self, execution: Execution) -> Score:
        positions = self.record.positions("validation")
        figures = label_figures(self._wanted(positions), self._labelled(positions, execution), resamples=1)
        metric, value = next(iter(headline(figures, self.labels).items()))
        loss = self._loss(positions[torch.argsort(self._lengths(positions))], execution)
        return Score(metric=metric, value=value, loss=loss, n=len(positions))

    def _lengths(self, positions: Tensor) -> Tensor:
        return torch.tensor([len(self.sentences[i]) for i in positions.tolist()])

    @torch.no_grad()
    def _loss(self, positions: Tensor, execution: Execution) -> float:
        total, count = 0.0, 0
        for part in torch.split(positions, BATCH):
            batch = execution.place_batch(self._batch(part))
            words = int(batch.inputs.lengths.sum())
            with execution.autocast():
                total += float(loss_per_word(self._network, batch)) * words
            count += words
        return total / count

    def finish(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> Tested:
        train, test = self.record.positions("train"), self.record.positions("test")
        common = CommonestLabels(
            [self.sentences[i] for i in train.tolist()], [self.wanted[i] for i in train.tolist()], self.labels
        )
        names, given = ([rows[i] for i in test.tolist()] for rows in (self.record.names, self.sentences))
        return judged(names, given, self._wanted(test), self._labelled(test, execution), self.labels, common)

    def _wanted(self, positions: Tensor) -> list[list[str]]:
        return [self.wanted[i] for i in positions.tolist()]

    def _labelled(self, positions: Tensor, execution: Execution) -> list[list[str]]:
        given = [self.sentences[i] for i in positions.tolist()]
        found = label_sentences(self._network, self.code, self.labels, given, execution, self._longest)
        return [[word.label for word in words] for words in found]

    def files(self) -> Mapping[str, object]:
        return {
            PREPARATION: self.code.as_json(),
            ANSWERS: {"labels": list(self.labels.labels), "max_words": self._longest},
        }

    def network_card(self) -> NetworkCard:
        parameters = sum(p.numel() for p in self._network.parameters())
        return NetworkCard(
            name=NAME,
            settings={"width": int(self.config.network.width)},
            parameters=parameters,
            paper=described(NAME).paper,
        )


def _sentences(inputs: Inputs | None) -> Sequence[Words]:
    assert isinstance(inputs, Sentences)
    return inputs.sentences


def fit_words(config: Config, sentences: Sequence[Words]) -> WordFeatures:
    """What the training ``sentences`` show of words."""
    return WordFeatures.fit(sentences, max_words=int(config.text.vocabulary))


def build_network(config: Config, code: WordFeatures, labels: LabelSet) -> SequenceLabeller:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return labels.network(code, int(config.network.width)).train()


class CommonestLabels:
    """The baseline: the label that each word had most often in training; O, or the commonest of all, for others."""

    def __init__(self, sentences: Sequence[Words], wanted: Sequence[Words], labels: LabelSet) -> None:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for words, row in zip(sentences, wanted, strict=True):
            for word, label in zip(words, row, strict=True):
                counts[word][label] += 1
        overall = sum(counts.values(), Counter[str]())
        self.otherwise = "O" if labels.spans else min(overall, key=lambda label: (-overall[label], label))
        self.labels = {
            word: min(seen, key=lambda label: (-seen[label], label)) for word, seen in counts.items()
        }  # fmt: skip

    def predict(self, words: Words) -> list[str]:
        """A label for each word."""
        return [self.labels.get(word, self.otherwise) for word in words]


def headline(figures: LabelFigures, labels: LabelSet) -> dict[str, float]:
    """The figure that counts, by its name."""
    return {"entity_f1": figures.f1.value} if labels.spans else {"token_accuracy": figures.token_accuracy.value}


def metrics_of(figures: LabelFigures, labels: LabelSet) -> dict[str, object]:
    """All figures, the headline first."""
    accuracy: dict[str, object] = {"token_accuracy": figures.token_accuracy.as_json()}
    if not labels.spans:
        return accuracy
    overall = figures.overall
    return {
        "entity_f1": figures.f1.as_json(),
        "entity_precision": overall.precision.as_json(),
        "entity_recall": overall.recall.as_json(),
        **accuracy,
    }


def judged(
    names: Sequence[str], sentences: Sequence[Words], wanted: Sequence[Words], found: Sequence[Words],
    labels: LabelSet, common: CommonestLabels | None,
) -> Tested:  # fmt: skip
    """Figures of the labels ``found`` against those ``wanted``; without ``common`` no baseline stands beside."""
    figures = label_figures(wanted, found)
    baseline: dict[str, dict[str, object]] = {}
    if common is not None:
        simple = label_figures(wanted, [common.predict(words) for words in sentences], resamples=1)
        kept = headline(simple, labels) | {"token_accuracy": simple.token_accuracy.value}
        baseline["most_frequent_label"] = {name: round(value, 6) for name, value in kept.items()}
    rows = [
        [name, " ".join(words), " ".join(truth), " ".join(guess)]
        for name, words, truth, guess in zip(names, sentences, wanted, found, strict=True)
    ]
    return Tested(
        n=len(sentences), metrics=metrics_of(figures, labels), baseline=baseline,
        rows=[["example", "words", "labels", "predicted"], *rows], per_class=_per_class(figures, labels, wanted, found),
    )  # fmt: skip


def _per_class(
    figures: LabelFigures, labels: LabelSet, wanted: Sequence[Words], found: Sequence[Words]
) -> dict[str, object]:
    if labels.spans:
        return {
            kind: {"recall": own.recall.as_json(), "precision": own.precision.as_json()}
            for kind, own in figures.per_kind.items()
        }
    pairs = Counter(pair for truth, guess in zip(wanted, found, strict=True) for pair in zip(truth, guess, strict=True))
    actual, called = Counter[str](), Counter[str]()
    for (true, guess), count in pairs.items():
        actual[true] += count
        called[guess] += count
    return {
        label: {
            "recall": rate(pairs[label, label], actual[label]).as_json(),
            "precision": rate(pairs[label, label], called[label]).as_json(),
        }
        for label in sorted(actual | called)
    }


class LabelModel:
    """A finished labeller (``Answering``)."""

    def __init__(self, network: nn.Module, code: WordFeatures, labels: LabelSet, longest: int) -> None:
        self.network = network
        self.code = code
        self.labels = labels
        self.longest = longest

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return sentence_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return sentence_item(content, number)

    def read(self, item: Item) -> object:
        return read_words(item)

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        texts = cast(Sequence[Sequence[Words]], prepared)
        return answers(names, texts, self._label, spans=self.labels.spans)

    def _label(self, sentences: Sequence[Words]) -> list[list[LabelledWord]]:
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        return label_sentences(self.network, self.code, self.labels, sentences, execution, self.longest)

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        given = [_sentences(seen.inputs)[i] for i in indices]
        wanted = [self.labels.read(_sentences(seen.source.targets)[i]) for i in indices]
        found = [[word.label for word in words] for words in self._label(given)]
        return judged([seen.inputs.name(i) for i in indices], given, wanted, found, self.labels, None)

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        assert isinstance(self.network, SequenceLabeller)
        read = [words for text in cast(Sequence[Sequence[Words]], prepared) for words in text if words]
        encoded = [self.code.encode([words[: self.longest]]) for words in read or [self.code.words[:9] or ("a", "b")]]
        compared = [(one.words, one.characters, one.features) for one in encoded]
        made_up = self.code.encode([["abc", "de", "fghi"]])
        crf = self.network.crf
        rules = {"transitions": crf.transitions.tolist(), "start": crf.start.tolist(), "end": crf.end.tolist(),
                 "forbidden": crf.forbidden.tolist(), "forbidden_start": crf.forbidden_start.tolist()}  # fmt: skip
        told = ("scores of each label for each word; the labels are the path with the largest sum of these, of its "
                "transitions (from row to column), its start and its end (Viterbi), none of it forbidden")  # fmt: skip
        places = ("words", "characters", "features")
        axes: tuple[tuple[str | int, ...], ...] = (
            (1, "words"), (1, "words", "letters"), (1, "words", made_up.features.shape[2]))  # fmt: skip
        meanings = ("its place in the list of words, from 2 on; 1 for others", "the same of its characters",
                    "the same of its shape, its first two and three letters, its last two, three and four")  # fmt: skip
        examples = (made_up.words, made_up.characters, made_up.features)
        return Exportable(
            network=Emissions(self.network),
            inputs=[Given(name=n, axes=a, values=v, example=e)
                    for n, a, v, e in zip(places, axes, meanings, examples, strict=True)],
            output="emissions", axes=(1, "words", len(self.labels.labels)), compared=compared, count=len(compared),
            facts={"labels": list(self.labels.labels), "emissions": told, **rules}, vocabulary=self.code.as_json(),
        )  # fmt: skip


class LabelRecipe:
    """Words → labels."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> LabelSentences:
        return LabelSentences(work, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[LabelledBatch]:
        train = [i for i, part in enumerate(seen.split) if part == "train"]
        labels, words = LabelSet.of(seen.detection.spec.classes), _sentences(seen.inputs)
        code = fit_words(config, [words[i] for i in train])
        middle = sorted(train, key=lambda i: len(words[i]))
        size = min(int(config.train.batch_size), len(train))
        start = (len(middle) - size) // 2
        first, longest = middle[start : start + size], int(config.text.max_words)
        wanted = [labels.read(_sentences(seen.source.targets)[i])[:longest] for i in first]
        batch = batch_of(code, labels, [words[i][:longest] for i in first], wanted)
        return Trial(objective=Labelling(build_network(config, code, labels)), batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> LabelModel:
        answers_file = bundle.file(ANSWERS)
        width = bundle.card.network.settings.get("width")
        try:
            code = WordFeatures.from_json(bundle.file(PREPARATION))
            labels = LabelSet([str(label) for label in cast(list[object], answers_file.get("labels") or [])])
            longest = int(str(answers_file.get("max_words", MAX_WORDS)))
            network = labels.network(code, int(str(width)))
        except (ValueError, TypeError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error)) from error
        return LabelModel(bundle.fill(network), code, labels, longest)


recipe = LabelRecipe()
