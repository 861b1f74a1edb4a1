"""A label for every word, questioned through the marginals of the CRF."""

import string
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from capas.data.inputs import Inputs, Sentences
from capas.engine.recipes.tokens import LabelModel
from capas.networks.sequence_labeller import SequenceLabeller, step_mask
from capas.trust.many import Answered, Doubt, Kind, LastLinear, Sensed, Statements

Words = Sequence[str]


class WordSense:
    """``Sensing`` of sentences whose words get labels."""

    def __init__(self, model: LabelModel) -> None:
        self.model = model

    def emissions(self, words: Words) -> tuple[Tensor, Tensor]:
        """(1, T, K) of every word, and their number (1)."""
        network = self.model.network
        assert isinstance(network, SequenceLabeller)
        given = self.model.code.encode([words])
        return network(given.words, given.characters, given.lengths, given.features), given.lengths

    @torch.no_grad()
    def sensed(self, prepared: object) -> Sensed:
        """``features``: the mean over the words of what the LSTM makes of them."""
        words = [word for sentence in _texts(prepared) for word in sentence]
        with LastLinear(self.model.network) as last:
            parts = []
            for start in range(0, len(words), self.model.longest):
                part = words[start : start + self.model.longest]
                self.emissions(part)
                parts.append(last.features() * len(part))
        return Sensed(features=torch.stack(parts).sum(0) / len(words), views=None)

    def strange(self, prepared: Sequence[object], rng: torch.Generator) -> dict[str, list[object]]:
        chance = np.random.default_rng(int(torch.randint(2**31, (1,), generator=rng)))
        letters = list(string.ascii_lowercase)

        def random(word: str) -> str:
            return "".join(chance.choice(letters, len(word)))

        def mixed(word: str) -> str:
            return "".join(chance.permutation(list(word)))

        texts = [_texts(one) for one in prepared]
        return {
            "noise": [tuple(tuple(map(random, words)) for words in text) for text in texts],
            "mixed_letters": [tuple(tuple(map(mixed, words)) for words in text) for text in texts],
        }

    def picture(self, prepared: object) -> NDArray[np.uint8] | None:
        return None


class WordAnswers:
    """``ManyAnswers`` of labels in sentences."""

    kind: Kind = "words"
    most: int = 2000

    def __init__(self, model: LabelModel, sentences: Inputs, labels: Inputs | None) -> None:
        assert isinstance(sentences, Sentences) and isinstance(labels, Sentences)
        self.model = model
        self.sense = WordSense(model)
        self.sentences = sentences
        self.labels = labels

    def prepared(self, index: int) -> tuple[Words, ...]:
        return (tuple(self.sentences.sentences[index]),)

    @torch.no_grad()
    def marginals(self, words: Words) -> tuple[Float[Tensor, "T K"], list[int]]:
        """P(label | sentence) of every word, and the likeliest sequence of labels; a long sentence in pieces, as the
        model reads it."""
        network, longest = self.model.network, self.model.longest
        assert isinstance(network, SequenceLabeller)
        parts, path = [], list[int]()
        for start in range(0, len(words), longest):
            emissions, lengths = self.sense.emissions(words[start : start + longest])
            mask = step_mask(lengths, emissions.shape[1])
            parts.append(network.crf.marginals(emissions.float(), mask)[0])
            path += network.crf.best_paths(emissions.float(), mask)[0][0]
        return torch.cat(parts), path

    def answered(self, index: int, position: int, rng: torch.Generator) -> Answered:
        words, names = self.sentences.sentences[index], self.model.labels.labels
        given = self.model.labels.read(self.labels.sentences[index])
        p, path = self.marginals(words)
        numbers = {name: number for number, name in enumerate(names)}
        true = torch.tensor([names[called] == label for called, label in zip(path, given, strict=True)])
        statements = Statements(stated=p[torch.arange(len(path)), torch.tensor(path)], true=true)
        doubts = [
            Doubt(position=position, place=_in_context(words, place), given=label, likely=names[called],
                  probability=float(p[place, numbers[label]]) if label in numbers else 0.0)
            for place, (label, called) in enumerate(zip(given, path, strict=True))
        ]  # fmt: skip
        return Answered(statements=statements, doubts=tuple(doubts))

    def doubted(self, index: int, doubt: Doubt) -> NDArray[np.float32] | None:
        return None


def _texts(prepared: object) -> tuple[Words, ...]:
    assert isinstance(prepared, tuple)
    return prepared


def _in_context(words: Words, place: int) -> str:
    """The word between its neighbours: "… vive en [Lima] con Ana …"."""
    before, after = " ".join(words[max(0, place - 3) : place]), " ".join(words[place + 1 : place + 4])
    return f"{before} [{words[place]}] {after}".strip()
