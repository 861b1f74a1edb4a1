"""What the lines of progress say of losses and of the validation split."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from capas.cli import show
from capas.cli.train_verbs import Screen, examples_tested, losses_text
from capas.core.i18n import choose_language
from capas.engine.events import Evaluated, Stepped


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


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("r2", 0.897, "variance explained (R²) 89.7 %"), ("character_accuracy", 0.5, "accuracy per character 50.0 %"),
     ("psnr", 31.256, "PSNR 31.26 dB")],
)  # fmt: skip
def test_a_line_about_the_validation_split_names_its_metric(metric: str, value: float, text: str) -> None:
    console = Console(file=io.StringIO(), width=120)
    screen = Screen(console, progress := Progress(console=console), show.Stages(progress))
    event = Evaluated(step=3, metric=metric, value=value, loss=0.1, n=9, best=True, seconds=1.0)
    screen.watch.event(event)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert written == f"step 3: on the validation split, {text} (n = 9) after 1 s\n"


def test_one_example_is_said_in_the_singular() -> None:
    assert [examples_tested(n) for n in (1, 1200)] == [
        "Tested once, on one example that it had never seen", "Tested once, on 1,200 examples that it had never seen"
    ]  # fmt: skip
