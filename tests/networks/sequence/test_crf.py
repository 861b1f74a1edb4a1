"""The CRF against all label sequences, one by one, and against pytorch-crf."""

import json
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from capas.networks.sequence.crf import LinearChainCRF
from tests.harness import FIXTURES

SEQUENCES = FIXTURES / "sequences"
K, LENGTHS = 3, (4, 1, 2)


def setting(**rules: Tensor) -> tuple[LinearChainCRF, Tensor, Tensor]:
    """A CRF with clear preferences, emissions (3, 4, K) and their mask."""
    crf = LinearChainCRF(K, **rules).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    emissions = torch.randn(len(LENGTHS), 4, K, dtype=torch.double)
    return crf, emissions, torch.arange(4) < torch.tensor(LENGTHS)[:, None]


def all_paths(crf: LinearChainCRF, emissions: Tensor, n: int) -> dict[tuple[int, ...], Tensor]:
    """The score of every sequence of n labels that no rule forbids, by the definition."""
    scores = {}
    for path in product(range(K), repeat=n):
        pairs = list(pairwise(path))
        if crf.forbidden_start[path[0]] or any(crf.forbidden[a, b] for a, b in pairs):
            continue
        score = crf.start[path[0]] + crf.end[path[-1]]
        score = score + sum(emissions[t, label] for t, label in enumerate(path))
        scores[path] = score + sum(crf.transitions[a, b] for a, b in pairs)
    return scores


RULES = {
    "free": {},
    "ruled": {
        "forbidden": torch.tensor([[False, False, True], [False, True, False], [False, False, False]]),
        "forbidden_start": torch.tensor([False, False, True]),
    },
}


@pytest.mark.parametrize("rules", RULES)
def test_equals_the_sum_over_all_paths(rules: str) -> None:
    crf, emissions, mask = setting(**RULES[rules])
    log_z, marginals = crf.log_partition(emissions, mask), crf.marginals(emissions, mask)
    paths, scores = crf.viterbi_decode(emissions, mask)
    for row, n in enumerate(LENGTHS):
        every = all_paths(crf, emissions[row], n)
        total = torch.stack(list(every.values())).logsumexp(0)
        torch.testing.assert_close(log_z[row], total)
        best = max(every, key=lambda path: float(every[path].detach()))
        assert tuple(paths[row]) == best
        torch.testing.assert_close(scores[row], every[best])
        expected = torch.zeros(4, K, dtype=torch.double)
        for path, score in every.items():
            for t, label in enumerate(path):
                expected[t, label] += (score - total).exp().detach()
        torch.testing.assert_close(marginals[row], expected)
        for path, score in every.items():
            labels = torch.zeros(len(LENGTHS), 4, dtype=torch.long)
            labels[row, :n] = torch.tensor(path)
            torch.testing.assert_close(crf.log_likelihood(emissions, labels, mask)[row], score - total)


def test_marginals_are_the_gradient_of_the_log_partition() -> None:
    crf, emissions, mask = setting(**RULES["ruled"])
    emissions.requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_partition(emissions, mask).sum(), emissions)
    torch.testing.assert_close(crf.marginals(emissions, mask), gradient)


def test_what_is_forbidden_never_comes_out() -> None:
    """However strongly the emissions call for it, and in float32 over long sequences."""
    forbidden = torch.tensor([[False, True], [False, False]])
    crf = LinearChainCRF(2, forbidden=forbidden, forbidden_start=torch.tensor([False, True]))
    emissions = torch.tensor([0.0, 50.0]).expand(1, 60, 2)
    mask = torch.ones(1, 60, dtype=torch.bool)
    assert crf.viterbi_decode(emissions, mask)[0] == [[0] * 60]
    marginals = crf.marginals(emissions, mask)
    assert marginals[0, :, 1].max() == 0 and torch.isfinite(crf.log_partition(emissions, mask)).all()


def test_what_stands_behind_the_mask_is_not_read() -> None:
    crf, emissions, mask = setting()
    labels = torch.randint(K, (3, 4))
    others, other_labels = emissions.clone(), labels.clone()
    others[~mask], other_labels[~mask] = 99.0, 0
    torch.testing.assert_close(
        crf.log_likelihood(emissions, labels, mask), crf.log_likelihood(others, other_labels, mask)
    )
    assert crf.viterbi_decode(emissions, mask)[0] == crf.viterbi_decode(others, mask)[0]
    torch.testing.assert_close(crf.marginals(emissions, mask), crf.marginals(others, mask))


def test_equals_pytorch_crf_with_gradients() -> None:
    recorded = json.loads((SEQUENCES / "crf.json").read_text())
    crf = LinearChainCRF(4).double()
    with torch.no_grad():
        for name in ("transitions", "start", "end"):
            crf.get_parameter(name).copy_(torch.tensor(recorded[name], dtype=torch.double))
    emissions = torch.tensor(recorded["emissions"], dtype=torch.double, requires_grad=True)
    mask = torch.arange(5) < torch.tensor(recorded["lengths"])[:, None]
    likelihood = crf.log_likelihood(emissions, torch.tensor(recorded["labels"]), mask)
    torch.testing.assert_close(likelihood, torch.tensor(recorded["log_likelihood"], dtype=torch.double))
    assert crf.viterbi_decode(emissions, mask)[0] == recorded["best"]
    found = torch.autograd.grad(likelihood.sum(), [emissions, crf.transitions, crf.start, crf.end])
    for name, gradient in zip(("emissions", "transitions", "start", "end"), found, strict=True):
        torch.testing.assert_close(gradient, torch.tensor(recorded["gradients"][name], dtype=torch.double))


@pytest.mark.parametrize("mask", [[[True, False, True]], [[False, True, True]]])
def test_masks_with_gaps_are_refused(mask: list[list[bool]]) -> None:
    with pytest.raises(ValueError, match="mask"):
        LinearChainCRF(2).log_partition(torch.zeros(1, 3, 2), torch.tensor(mask))


def test_rules_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="forbidden_start"):
        LinearChainCRF(3, forbidden_start=torch.zeros(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="num_labels"):
        LinearChainCRF(0)
