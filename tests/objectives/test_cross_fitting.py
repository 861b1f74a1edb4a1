"""Cross-fitting: no member learns from its own fold."""

from types import SimpleNamespace

import torch
from torch import Tensor, nn

from capas.objectives.classification import Classification
from capas.objectives.cross_fitting import CrossFitting
from capas.objectives.multilabel import MultilabelClassification
from capas.objectives.regression import Regression, TargetScale
from tests.harness import step_context

FOLDS = torch.tensor([0, 1, 2, 1])


class Members(nn.Module):
    """Three members with one weight each."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None] * self.weight)[:, :, None]


def test_the_loss_is_the_mean_over_members_and_rows_that_they_may_learn_from() -> None:
    members = Members()
    base = Regression(members, [TargetScale(mean=0.0, deviation=1.0)], loss="mse")
    batch = SimpleNamespace(
        inputs=torch.tensor([1.0, 1.0]), targets=torch.tensor([[0.0], [0.0]]), positions=torch.tensor([3, 0])
    )
    found = CrossFitting(base, members, FOLDS).losses(batch, base.phases[0], step_context())["loss"]
    # Position 3 (fold 1): members 0 and 2 err by 1 and 3. Position 0: members 1 and 2 by 2 and 3. Halved squares.
    torch.testing.assert_close(found, torch.tensor((1 + 9 + 4 + 9) / 2 / 4))
    found.backward()
    # Member 0 learns from position 3 alone: d/dw of w² / 2 / 4.
    assert members.weight.grad is not None
    torch.testing.assert_close(members.weight.grad, torch.tensor([1.0, 2.0, 6.0]) / 4)


def test_a_member_stays_as_it_is_where_all_rows_are_of_its_fold() -> None:
    members = Members()
    base = MultilabelClassification(members)
    batch = SimpleNamespace(
        inputs=torch.ones(2), targets=torch.ones(2, 1, dtype=torch.bool), positions=torch.tensor([1, 3])
    )
    CrossFitting(base, members, FOLDS).losses(batch, base.phases[0], step_context())["loss"].backward()
    assert members.weight.grad is not None
    assert members.weight.grad[1] == 0 and (members.weight.grad[[0, 2]] != 0).all()


def test_networks_and_phases_are_those_of_the_objective_of_one_member() -> None:
    base = Classification(nn.Identity())
    crossed = CrossFitting(base, nn.Identity(), FOLDS)
    assert crossed.networks == base.networks and crossed.phases == base.phases
