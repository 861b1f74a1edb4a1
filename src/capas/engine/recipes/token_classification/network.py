"""BiLSTM-CRF networks: construction and decoding."""

from collections.abc import Sequence

import torch
from torch import nn

from capas.core.rng import derive_seed
from capas.data.text.word_features import WordFeatures
from capas.engine.config import Config
from capas.engine.execution import Execution
from capas.engine.recipes.token_classification.data import LabelledWord, LabelSet, Words
from capas.engine.recipes.token_classification.defaults import BATCH, MAX_WORDS
from capas.networks.sequence.bilstm_crf import SequenceLabeller, step_mask


@torch.no_grad()
def label_sentences(
    network: nn.Module, code: WordFeatures, labels: LabelSet, sentences: Sequence[Words], execution: Execution,
    max_words: int = MAX_WORDS,
) -> list[list[LabelledWord]]:  # fmt: skip
    """Return the Viterbi labels of each sentence with their marginal probabilities; sentences of more than
    ``max_words`` words are labelled in pieces.
    """
    assert isinstance(network, SequenceLabeller)
    network.eval()
    places = [(i, start) for i, words in enumerate(sentences) for start in range(0, len(words), max_words)]
    pieces = [sentences[i][start : start + max_words] for i, start in places]
    found: dict[tuple[int, int], list[LabelledWord]] = {}
    by_length = sorted(range(len(pieces)), key=lambda p: len(pieces[p]))
    for first in range(0, len(by_length), BATCH):
        part = by_length[first : first + BATCH]
        inputs = execution.place_batch(code.encode([pieces[p] for p in part]))
        with execution.autocast():
            emissions = network(inputs.words, inputs.characters, inputs.lengths, inputs.features)
        mask, emissions = step_mask(inputs.lengths, inputs.words.shape[1]), emissions.float()
        paths, _ = network.crf.viterbi_decode(emissions, mask)
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


def build_network(config: Config, code: WordFeatures, labels: LabelSet) -> SequenceLabeller:
    """Build the configured network with weights drawn from the run's seed."""
    torch.manual_seed(derive_seed(config.train.seed, "weights"))
    return labels.network(code, int(config.network.width)).train()
