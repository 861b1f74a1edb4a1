"""``capas generate``: new images, a contact sheet of them, and where each came from in its metadata."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.i18n import say
from capas.engine.predict import Model, load_model
from capas.generation.image_sampling import Drawing, DrawnImage, ImageSampler
from capas.generation.sample_files import new_sample_folder, write_contact_sheet, write_drawn_image
from capas.sampling.generator import SAMPLERS, SamplingOptions

STOPPED = 130


def generate(run: str, count: int, drawing: Drawing, out: str, as_json: bool) -> None:
    """Draw ``count`` images and write them into the new folder ``out``. Ctrl-C keeps those that are done.

    Raises CapasError ``folder_not_empty``, and those of ``ImageSampler``.
    """
    folder = new_sample_folder(Path(out))
    model = load_model(run)
    sampler = ImageSampler(model, run)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    print_notes(sampler, drawing)
    made: list[DrawnImage] = []
    stopped = False
    with show.stages(quiet=as_json) as stages:
        stages("generate", 0, count)
        try:
            for image in sampler.draw(count, drawing):
                write_drawn_image(folder, image, provenance)
                made.append(image)
                stages("generate", len(made), count)
        except KeyboardInterrupt:
            stopped = True
    sheet = write_contact_sheet(folder, made, provenance) if made else None
    if as_json:
        show.print_json({
            "folder": str(folder), "count": len(made), "sheet": None if sheet is None else str(sheet),
            "seed": drawing.seed,
            "options": {name: value for name, value in asdict(drawing.options).items() if value is not None},
            "images": [image_json(image) for image in made],
        })  # fmt: skip
    else:
        print_written(folder, len(made), sheet)
    if stopped:
        show.notes().print(Text(say("generate.stopped", done=len(made), all=count), "yellow"))
        sys.exit(STOPPED)


def print_written(folder: Path, count: int, sheet: Path | None, animation: Path | None = None) -> None:
    """Print where the images are, and that they say what they are."""
    screen = show.results()
    screen.print(Text(say("generate.written", count=show.whole(count), folder=folder)), soft_wrap=True)
    if sheet is not None:
        screen.print(Text(say("generate.sheet", path=sheet)), soft_wrap=True)
    if animation is not None:
        screen.print(Text(say("generate.animation", path=animation)), soft_wrap=True)
    screen.print(Text(say("generate.marked"), "dim"), soft_wrap=True)


def image_json(image: DrawnImage) -> dict[str, object]:
    """Return what ``--json`` says of an image."""
    said = {} if image.prompt is None else {"prompt": image.prompt}
    return {"number": image.number, "class": image.class_name, **said}


def print_notes(sampler: ImageSampler, drawing: Drawing) -> None:
    """Say which words of the prompts mean nothing to the network."""
    for note in sampler.notes(drawing):
        show.notes().print(Text(note, "yellow"))


def drawing(
    conditions: Sequence[str] | None, prompts: Sequence[str] | None, seed: int, steps: int | None,
    sampler: str | None, guidance: float | None, truncation: float | None = None,
) -> Drawing:  # fmt: skip
    """Return how to draw, from the words of the command line."""
    chosen = next((name for name in SAMPLERS if name == sampler), None)
    options = SamplingOptions(steps=steps, sampler=chosen, guidance=guidance, truncation=truncation)
    return Drawing(conditions=tuple(conditions or ()), prompts=tuple(prompts or ()), seed=seed, options=options)


def provenance_of(model: Model, seed: int, options: SamplingOptions) -> dict[str, str]:
    """Return what it takes to draw the same images again."""
    card = model.card
    return {
        "model": card.name, "network": card.network.name, "weights": card.weights.hash, "seed": str(seed),
        **{name: str(value) for name, value in asdict(options).items() if value is not None},
    }  # fmt: skip
