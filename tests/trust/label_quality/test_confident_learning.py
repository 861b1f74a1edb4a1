"""Confident learning against cleanlab's recorded answers, and on digits whose labels were flipped."""

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from capas.trust.label_quality.confident_learning import Prune, confident_joint, find_label_errors, joint_share
from capas.trust.label_quality.out_of_sample import out_of_sample_probabilities
from tests.harness import FIXTURES

FIXTURE = FIXTURES / "trust" / "label_errors.safetensors"


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_joint_is_cleanlabs() -> None:
    held = load_file(FIXTURE)
    confident = confident_joint(held["probabilities"], held["labels"])
    assert torch.equal(confident, held["confident_joint"])
    # cleanlab rounds its joint to whole examples.
    assert torch.allclose(joint_share(confident, held["labels"]), held["joint"], atol=0.6 / 300)


@pytest.mark.parametrize(
    ("prune", "recorded", "apart"),
    # Two classes tie for the one example that rounding gives away; cleanlab gives it to the other.
    [("noise_rate", "prune_by_noise_rate", 2), ("class", "prune_by_class", 0), ("both", "both", 1)],
)
def test_suspects_are_cleanlabs(prune: Prune, recorded: str, apart: int) -> None:
    held = load_file(FIXTURE)
    found = find_label_errors(held["probabilities"], held["labels"], prune=prune)
    named = torch.zeros(300, dtype=torch.bool)
    named[found.suspects] = True
    assert int((named != held[recorded]).sum()) <= apart and len(found.suspects) > 30
    own = found.self_confidence[found.suspects]
    assert torch.equal(own, own.sort().values)


def test_right_labels_raise_no_suspicion_and_missing_classes_do_no_harm() -> None:
    labels = torch.arange(60) % 3
    sure = F.softmax(5 * F.one_hot(labels, 5).float(), dim=1)
    found = find_label_errors(sure, labels)
    assert len(found.suspects) == 0 and found.noise_rate == pytest.approx(0)
    with pytest.raises(ValueError, match="labels"):
        find_label_errors(sure[:0], labels[:0])


def clusters(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of three classes, labels of which one in twelve is wrong, and which."""
    truth = torch.arange(600) % 3
    features = 2.5 * torch.eye(3)[truth].repeat(1, 4) + torch.randn(600, 12, generator=rng(seed))
    wrong = torch.rand(600, generator=rng(seed + 1)) < 1 / 12
    return features, torch.where(wrong, (truth + 1) % 3, truth), wrong


def test_flipped_labels_are_found_out_of_sample() -> None:
    features, labels, wrong = clusters(0)
    probabilities = out_of_sample_probabilities(features, labels, 3, rng())
    found = find_label_errors(probabilities, labels)
    named = torch.zeros(600, dtype=torch.bool)
    named[found.suspects] = True
    assert float((named & wrong).sum() / named.sum()) > 0.84 and float((named & wrong).sum() / wrong.sum()) > 0.84
    assert wrong[found.self_confidence.argsort()[:20]].all()
    assert found.joint.argmax(1).tolist() == [0, 1, 2] and float(found.joint[0, 2]) > float(found.joint[0, 1])


def test_no_example_sees_its_own_label() -> None:
    """Labels drawn by lot cannot be told from features, however many: in sample they would be."""
    features, labels = torch.randn(120, 200, generator=rng()), torch.randint(3, (120,), generator=rng(1))
    probabilities = out_of_sample_probabilities(features, labels, 3, rng(), penalty=1e-4)
    assert torch.allclose(probabilities.sum(1), torch.ones(120), atol=1e-5)
    assert float((probabilities.argmax(1) == labels).float().mean()) < 0.5
    with pytest.raises(ValueError, match="folds"):
        out_of_sample_probabilities(features[:3], labels[:3], 3, rng())
