"""Labels of words: probabilities of a field that has no transitions are those of each word by itself."""

import math
import string

import pytest
import torch
from torch import nn

from capas.data.collections import SentenceCollection
from capas.data.text.word_features import WordFeatures
from capas.engine.recipes.token_classification.data import LabelSet
from capas.engine.recipes.token_classification.predictor import TokenClassificationPredictor
from capas.networks.sequence.bilstm_crf import SequenceLabeller
from capas.trust.subjects.token_labels import TokenLabelAdapter, TokenLabelFeatureExtractor
from tests.trust.made_models import texts_of

SENTENCE = ("Ana", "vive", "en", "Lima", "con", "Luis", "ahora", "mismo")


def model(longest: int = 50, *, bias: tuple[float, float] | None = (2.0, 0.0)) -> TokenClassificationPredictor:
    """Labels N and V; with a ``bias`` every word has these logits, whatever it is."""
    torch.manual_seed(0)
    code, labels = WordFeatures.fit([SENTENCE] * 2), LabelSet(["N", "V"])
    network = labels.network(code, 4).eval()
    with torch.no_grad():
        if bias is not None:
            network.output.weight.zero_()
            network.output.bias.copy_(torch.tensor(bias))
        for values in (network.crf.start, network.crf.end, network.crf.transitions):
            values.zero_()
    return TokenClassificationPredictor(network, code, labels, longest)


def adapter(labels: tuple[str, ...], longest: int = 50) -> TokenLabelAdapter:
    names = ["s:1"]
    return TokenLabelAdapter(model(longest), SentenceCollection([SENTENCE], names), SentenceCollection([labels], names))


def test_every_word_is_a_statement_of_its_own() -> None:
    sure = 1 / (1 + math.exp(-2))
    found = adapter(("N", "V", "X", *"NNNNN")).evaluate_example(0, 5, torch.Generator())
    torch.testing.assert_close(found.calibration_samples.confidence, torch.full((8,), sure))
    assert found.calibration_samples.correct.tolist() == [True, False, False, *[True] * 5]
    believed = [one.given_label_probability for one in found.label_issues]
    # The model has no label X: it leaves it no probability.
    assert believed == pytest.approx([sure, 1 - sure, 0, *[sure] * 5])
    assert {(one.position, one.predicted_label) for one in found.label_issues} == {(5, "N")}


def test_a_word_is_shown_between_three_neighbours() -> None:
    found = adapter(tuple("NNNNNNNN")).evaluate_example(0, 0, torch.Generator()).label_issues
    assert found[0].location == "[Ana] vive en Lima"
    assert found[4].location == "vive en Lima [con] Luis ahora mismo"
    assert found[-1].location == "con Luis ahora [mismo]"


def test_long_sentences_are_read_in_pieces() -> None:
    whole = TokenLabelAdapter(model(3, bias=None), *[SentenceCollection([SENTENCE], ["s:1"])] * 2)
    p, path = whole.marginals(SENTENCE)
    parts = [whole.marginals(SENTENCE[start : start + 3]) for start in (0, 3, 6)]
    torch.testing.assert_close(p, torch.cat([part for part, _ in parts]))
    torch.testing.assert_close(p.sum(1), torch.ones(8))
    assert path == [label for _, own in parts for label in own] and path == p.argmax(1).tolist()


def test_features_are_the_mean_over_all_words_of_the_text() -> None:
    predictor = model(3, bias=None)
    network, heard = predictor.network, list[torch.Tensor]()
    assert isinstance(network, SequenceLabeller)
    extractor = TokenLabelFeatureExtractor(predictor)

    def hear(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        heard.append(inputs[0][0])

    hook = network.output.register_forward_pre_hook(hear)
    found = extractor.ood_features((SENTENCE[:4], SENTENCE[4:]))
    hook.remove()
    assert found.features is not None and found.views is None and len(heard) == 3
    torch.testing.assert_close(found.features, torch.cat(heard).mean(0))


def test_probes_keep_lengths_and_mix_or_replace_letters() -> None:
    extractor, text = TokenLabelFeatureExtractor(model()), (SENTENCE, ("Quito",))
    made = extractor.ood_probes([text], torch.Generator().manual_seed(0))
    assert made == extractor.ood_probes([text], torch.Generator().manual_seed(0))
    (noise,), (mixed,) = made["noise"], made["mixed_letters"]
    assert isinstance(noise, tuple) and isinstance(mixed, tuple)
    words = [word for sentence in text for word in sentence]
    for name, found in (("noise", noise), ("mixed", mixed)):
        flat = [word for sentence in found for word in sentence]
        assert [len(s) for s in found] == [8, 1] and list(map(len, flat)) == list(map(len, words)), name
        assert flat != words
    assert [sorted(w) for s in mixed for w in s] == [sorted(word) for word in words]
    assert set("".join(w for s in noise for w in s)) <= set(string.ascii_lowercase)


def test_nothing_is_drawn_and_other_collections_are_refused() -> None:
    subject = adapter(tuple("NNNNNNNN"))
    assert subject.prepared(0) == (SENTENCE,) and subject.feature_extractor.display_image((SENTENCE,)) is None
    with pytest.raises(AssertionError):
        TokenLabelAdapter(model(), texts_of(["a"]), None)
