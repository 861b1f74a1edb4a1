"""Texts in two languages: a Transformer that reads the one and writes the other, in pieces of words that both share."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from capas.bundle.card import NetworkCard
from capas.bundle.export import Exportable
from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, PREPARATION
from capas.core.errors import CapasError
from capas.core.messages import say
from capas.core.random import derive_seed, stream
from capas.data.batch import OrderedBatches
from capas.data.inputs import Inputs, Texts
from capas.data.look import Look
from capas.data.sentence_ends import split_sentences
from capas.data.tokens import BOS, EOS, PAD, SubwordVocabulary
from capas.engine.choose import Execution, Trial
from capas.engine.config import Config
from capas.engine.loop import Score
from capas.engine.parallel import Ranks
from capas.engine.recipe import Item, Prediction, Settled, Tested, Work
from capas.engine.recipes.one_answer import order_of
from capas.engine.recipes.texts import read_text, text_item, text_items
from capas.engine.settle import chosen, filled
from capas.networks.catalog import described
from capas.networks.transformer import Transformer, TransformerConfig
from capas.tasks.bleu import translation_figures
from capas.tasks.metrics import rate
from capas.tasks.translate import Hypothesis, Translation, beam_search

NAME: Final = "transformer"
VOCABULARY, MAX_PIECES, BEAM, ALPHA, BATCH = 8000, 200, 4, 0.6, 64
VALIDATED: Final = 1000
FEW: Final = 5000


def settle(config: Config, seen: Look) -> Settled:
    """Decide what ``config`` leaves open for texts in two languages."""
    n = max(1, seen.split.count("train"))
    if config.network.name not in ("auto", NAME):
        raise CapasError("network_not_for", where="network.name", received=config.network.name, names=NAME)
    width = chosen(config.network.width, 128 if n < FEW else 256)
    if width < 8 or width % 8:
        raise CapasError("width_not_for", where="network.width", received=width)
    batch = max(4, min(128, 1 << max(0, (n // 40).bit_length() - 1)))
    epochs = chosen(config.train.epochs, float(max(8, min(100, round(435_000 / n)))))
    vocabulary = chosen(config.text.vocabulary, VOCABULARY if n >= FEW else 2000)
    made = filled(
        config, name=NAME, width=width, batch_size=batch, epochs=epochs, learning_rate=1e-3, warmup=0.1, ema=0.995,
    )  # fmt: skip
    text = config.text.model_copy(
        update={"vocabulary": vocabulary, "max_words": chosen(config.text.max_words, MAX_PIECES)}
    )
    reason = say("settle.translation", network=NAME, layers=layers_of(width), width=width, n=n, vocabulary=vocabulary)
    return Settled(
        config=made.model_copy(update={"text": text}), reasons=(reason, say("settle.epochs", epochs=int(epochs), n=n))
    )


def layers_of(width: int) -> int:
    """Layers of encoder and decoder each."""
    return 3 if width >= 256 else 2


def network_of(vocabulary: SubwordVocabulary, width: int) -> Transformer:
    """A network with fresh weights."""
    layers = layers_of(width)
    return Transformer(
        TransformerConfig(
            vocabulary=len(vocabulary), width=width, heads=4, encoder_layers=layers, decoder_layers=layers,
            feedforward=4 * width, dropout=0.1, pre_norm=True,
        )
    )  # fmt: skip


def build_network(config: Config, vocabulary: SubwordVocabulary) -> Transformer:
    """With weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return network_of(vocabulary, int(config.network.width)).train()


def fit_vocabulary(config: Config, texts: Sequence[str]) -> SubwordVocabulary:
    """The pieces of words of both sides' training ``texts``. Raises CapasError ``vocabulary_too_small``."""
    size = int(config.text.vocabulary)
    try:
        return SubwordVocabulary.learn(texts, size=size)
    except ValueError as error:
        least = str(error).partition("at least ")[2].partition(",")[0]
        raise CapasError("vocabulary_too_small", where="text.vocabulary", received=size, least=least) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """N pairs, padded on the right: int64 ``source`` N×S, and ``target`` N×T that begins with BOS and ends with EOS."""

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Tokens N×T and lengths N."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD), torch.tensor(
        [len(row) for row in rows]
    )


def pairs_of(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Pairs:
    """Encoded texts as a batch; sources end with EOS."""
    source, source_lengths = padded([[*row, EOS] for row in sources])
    target, target_lengths = padded([[BOS, *row, EOS] for row in targets])
    return Pairs(source=source, source_lengths=source_lengths, target=target, target_lengths=target_lengths)


class TranslateTexts:
    """A Learnable of texts in two languages."""

    head: str | None = None

    def __init__(self, work: Work, ranks: Ranks) -> None:
        self.config, self.record = work.config, work.record
        self.sources, self.references = (
            [_texts(side)[i] for i in work.indices] for side in (work.inputs, work.targets)
        )  # fmt: skip
        train = work.record.positions("train")
        both = (self.sources, self.references)
        self.vocabulary = fit_vocabulary(work.config, [side[i] for side in both for i in train.tolist()])
        self._longest = int(work.config.text.max_words)
        self._encoded = [[self.vocabulary.encode(text)[: self._longest] for text in side] for side in both]
        self._network = build_network(work.config, self.vocabulary)
        self._objective = Translation(self._network, label_smoothing=work.config.objective.label_smoothing)
        lengths = torch.tensor([sum(len(side[i]) for side in self._encoded) for i in train.tolist()])
        order = order_of(work.config, train, ranks, lengths=lengths)
        self._batches = OrderedBatches(order, work.record.names, lambda chosen, rng: self._batch(chosen))

    def _batch(self, positions: Tensor) -> Pairs:
        source, target = ([side[i] for i in positions.tolist()] for side in self._encoded)
        return pairs_of(source, target)

    @property
    def objective(self) -> Translation:
        return self._objective

    @property
    def batches(self) -> OrderedBatches[Pairs]:
        return self._batches

    @property
    def validates(self) -> bool:
        return "validation" in self.record.splits

    @torch.no_grad()
    def validate(self, execution: Execution) -> Score:
        """The share of tokens that are named when those before are given, on at most 1,000 pairs: cheap, and it rises
        with BLEU."""
        positions = self.record.positions("validation")[:VALIDATED]
        right, count, loss = 0, 0, 0.0
        for part in torch.split(self._by_length(positions), BATCH):
            batch = execution.place_batch(self._batch(part))
            with execution.autocast():
                logits = self._network(batch.source, batch.source_lengths, batch.target[:, :-1]).float()
            wanted = batch.target[:, 1:]
            real = torch.arange(wanted.shape[1], device=wanted.device) < batch.target_lengths[:, None] - 1
            right += int((logits.argmax(2) == wanted)[real].sum())
            loss += float(nn.functional.cross_entropy(logits[real], wanted[real], reduction="sum"))
            count += int(real.sum())
        return Score(metric="token_accuracy", value=right / count, loss=loss / count, n=len(positions))

    def _by_length(self, positions: Tensor) -> Tensor:
        return positions[torch.tensor([len(self._encoded[1][i]) for i in positions.tolist()]).argsort(stable=True)]

    def finish(self, execution: Execution) -> None:
        return None

    def test(self, execution: Execution) -> Tested:
        test = self.record.positions("test").tolist()
        names, sources, references = ([rows[i] for i in test] for rows in (self.record.names, self.sources,
                                                                           self.references))  # fmt: skip
        encoded = [self._encoded[0][i] for i in test]
        found = translated(self._network, encoded, execution)
        return judged(names, sources, references, [self.vocabulary.decode(one.tokens).strip() for one in found])

    def files(self) -> Mapping[str, object]:
        answers = {"beam": BEAM, "alpha": ALPHA, "longest": self._longest}
        return {PREPARATION: self.vocabulary.as_json(), ANSWERS: answers}

    def network_card(self) -> NetworkCard:
        parameters = sum(p.numel() for p in self._network.parameters())
        settings = {"width": int(self.config.network.width)}
        return NetworkCard(name=NAME, settings={**settings}, parameters=parameters, paper=described(NAME).paper)


def _texts(inputs: Inputs | None) -> Sequence[str]:
    assert isinstance(inputs, Texts)
    return inputs.texts


@torch.no_grad()
def translated(
    network: nn.Module,
    encoded: Sequence[Sequence[int]],
    execution: Execution,
    *,
    beam: int = BEAM,
    alpha: float = ALPHA,
) -> list[Hypothesis]:
    """The best translation of each encoded text; those of like length are searched together."""
    assert isinstance(network, Transformer)
    network.eval()
    by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    found: dict[int, Hypothesis] = {}
    for first in range(0, len(by_length), BATCH):
        part = by_length[first : first + BATCH]
        source, lengths = padded([[*encoded[i], EOS] for i in part])
        with execution.autocast():
            best = beam_search(
                network, execution.place_batch(source), execution.place_batch(lengths), bos=BOS, eos=EOS, width=beam,
                alpha=alpha,
            )  # fmt: skip
        found |= dict(zip(part, best, strict=True))
    return [found[i] for i in range(len(encoded))]


def judged(
    names: Sequence[str], sources: Sequence[str], references: Sequence[str], translations: Sequence[str]
) -> Tested:
    """Figures of ``translations`` against ``references``, with those of the sources themselves beside."""

    def figures(texts: Sequence[str]) -> dict[str, object]:
        exact = sum(text.strip() == reference.strip() for text, reference in zip(texts, references, strict=True))
        measured = translation_figures(texts, references, stream(0, "resampling")).metrics_json()
        return {**measured, "exact": rate(exact, len(texts)).as_json()}

    rows = [list(row) for row in zip(names, sources, references, translations, strict=True)]
    return Tested(
        n=len(names), metrics=figures(translations), baseline={"copy": figures(sources)},
        rows=[["example", "source", "reference", "translation"], *rows],
    )  # fmt: skip


class TranslationModel:
    """A finished translator (``Answering``)."""

    def __init__(
        self, network: nn.Module, vocabulary: SubwordVocabulary, longest: int, beam: int, alpha: float
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.longest = longest
        self.beam, self.alpha = beam, alpha

    def items(self, words: Sequence[str], lines: Iterable[str]) -> Iterator[Item]:
        return text_items(words, lines)

    def item(self, content: object, number: int) -> Item:
        return text_item(content, number)

    def read(self, item: Item) -> object:
        """The text as pieces, each with what stands between it and the one before. Raises CapasError
        ``piece_too_long`` and those of ``read_text``."""
        parts = divided(read_text(item), lambda text: len(self.vocabulary.encode(text)) <= self.longest)
        encoded = [(between, self.vocabulary.encode(text)) for between, text in parts]
        longest = max(len(pieces) for _, pieces in encoded)
        if longest > self.longest:
            raise CapasError("piece_too_long", where=item.name, received=longest, longest=self.longest)
        return encoded

    def answer(self, names: Sequence[str], prepared: Sequence[object]) -> list[Prediction]:
        return [answer for answer, _ in self.searched(names, prepared)]

    def searched(
        self, names: Sequence[str], prepared: Sequence[object]
    ) -> list[tuple[Prediction, list[tuple[list[int], Hypothesis]]]]:
        """The answers, each with its pieces as they were read and as they were translated."""
        texts = cast(Sequence[Sequence[tuple[str, list[int]]]], prepared)
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        pieces = [encoded for text in texts for _, encoded in text]
        found = iter(translated(self.network, pieces, execution, beam=self.beam, alpha=self.alpha))
        searched = []
        for name, text in zip(names, texts, strict=True):
            best = [next(found) for _ in text]
            joined = [(between, one) for (between, _), one in zip(text, best, strict=True)]
            read = [encoded for _, encoded in text]
            searched.append((self._prediction(name, joined), list(zip(read, best, strict=True))))
        return searched

    def _prediction(self, name: str, found: Sequence[tuple[str, Hypothesis]]) -> Prediction:
        text = "".join(between + self.vocabulary.decode(one.tokens).strip() for between, one in found)
        facts = {"translation": text, "log_probability": round(sum(one.log_probability for _, one in found), 4)}
        return Prediction(input=name, prediction=text, facts=facts, text=text)

    def retest(self, seen: Look, indices: Sequence[int]) -> Tested:
        sources, references = ([_texts(side)[i] for i in indices] for side in (seen.inputs, seen.source.targets))
        names = [seen.inputs.name(i) for i in indices]
        device = next(self.network.parameters()).device
        execution = Execution(device=str(device), precision="float32", memory_format="contiguous", threads=1, reason="")
        encoded = [self.vocabulary.encode(text)[: self.longest] for text in sources]
        found = translated(self.network, encoded, execution, beam=self.beam, alpha=self.alpha)
        return judged(names, sources, references, [self.vocabulary.decode(one.tokens).strip() for one in found])

    def exportable(self, prepared: Sequence[object]) -> Exportable:
        raise CapasError("export_not_possible", received="translate (text)", reason=say("export.search_in_steps"))


def divided(text: str, fits: Callable[[str], bool]) -> list[tuple[str, str]]:
    """The lines of a text, those that do not fit as sentences, each with what stands before it.

    >>> divided("One. Two.\\n\\nThree.", lambda line: len(line) < 9)
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


class TranslationRecipe:
    """Text → text in another language."""

    def settle(self, config: Config, seen: Look) -> Settled:
        return settle(config, seen)

    def prepare(self, work: Work, ranks: Ranks) -> TranslateTexts:
        return TranslateTexts(work, ranks)

    def trial(self, config: Config, seen: Look) -> Trial[Pairs]:
        train = [i for i, part in enumerate(seen.split) if part == "train"]
        sources, targets = _texts(seen.inputs), _texts(seen.source.targets)
        # Of a few texts, so that it takes no time; the vocabulary's size is what steps depend on, and is as configured.
        few = train[:2000]
        code = fit_vocabulary(config, [text for i in few for text in (sources[i], targets[i])])
        size, longest = min(int(config.train.batch_size), len(train)), int(config.text.max_words)
        middle = sorted(train, key=lambda i: len(sources[i]))[(len(train) - size) // 2 :][:size]
        batch = pairs_of(*([code.encode(side[i])[:longest] for i in middle] for side in (sources, targets)))
        return Trial(objective=Translation(build_network(config, code)), batch=batch, examples=size)

    def reopen(self, bundle: Bundle) -> TranslationModel:
        answers = bundle.file(ANSWERS)
        try:
            vocabulary = SubwordVocabulary.from_json(bundle.file(PREPARATION))
            longest, beam, alpha = (float(str(answers[name])) for name in ("longest", "beam", "alpha"))
            network = network_of(vocabulary, int(str(bundle.card.network.settings.get("width"))))
        except (KeyError, ValueError) as error:
            raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=str(error)) from error
        return TranslationModel(bundle.fill(network), vocabulary, int(longest), int(beam), alpha)


recipe = TranslationRecipe()
