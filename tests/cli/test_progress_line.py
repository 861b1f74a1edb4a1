"""What the progress line says of losses."""

import pytest

from capas.cli.train_verbs import losses_text
from capas.core.i18n import choose_language
from capas.engine.events import Stepped


def stepped(**losses: float) -> Stepped:
    return Stepped(
        step=1, total_steps=2, loss=next(iter(losses.values()), 0.0), losses=losses, learning_rate=0.1,
        examples_per_s=1.0, seconds=1.0, seconds_left=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "text"),
    [
        ({"loss": 0.5}, "0.500"),
        ({}, "0.000"),
        ({"discriminator": 1.25, "generator": -0.5}, "discriminator 1.250; generator -0.500"),
    ],
)
def test_one_loss_needs_no_name_and_several_do(losses: dict[str, float], text: str) -> None:
    assert losses_text(stepped(**losses)) == text


def test_numbers_follow_the_language() -> None:
    choose_language("es")
    assert losses_text(stepped(a=1.25, b=2.0)) == "a 1,250; b 2,000"
