"""Raw outputs as probabilities or numbers, and back."""

import pytest
import torch

from capas.core.spec import OutputKind
from capas.decoding.output_activation import activate_outputs, outputs_of_activated

OUTPUTS = torch.tensor([[0.0, 2.0, -1.0], [3.0, 0.5, 0.0]])


def test_classes_are_a_softmax_tags_sigmoids_and_numbers_themselves() -> None:
    odds = OUTPUTS.exp()
    torch.testing.assert_close(activate_outputs(OUTPUTS, "class"), odds / odds.sum(1, keepdim=True))
    torch.testing.assert_close(activate_outputs(OUTPUTS, "tags"), odds / (1 + odds))
    assert activate_outputs(OUTPUTS, "numbers") is OUTPUTS


@pytest.mark.parametrize("kind", ["class", "tags", "numbers"])
def test_there_and_back_is_the_same(kind: OutputKind) -> None:
    activated = activate_outputs(OUTPUTS, kind)
    torch.testing.assert_close(activate_outputs(outputs_of_activated(activated, kind), kind), activated)


def test_impossible_and_certain_stay_finite() -> None:
    certain = torch.tensor([[0.0, 1.0]])
    assert (
        outputs_of_activated(certain, "class").isfinite().all()
        and outputs_of_activated(certain, "tags").isfinite().all()
    )
