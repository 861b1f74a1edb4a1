"""``capas complete`` and ``capas interpolate``: images filled in, and images between two samples."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rich.text import Text

from capas.cli import show
from capas.cli.generation.generate_verb import print_written, provenance_of
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.engine.predict import Model, load_model
from capas.generation.image_editing import complete_image, interpolate_samples, redraw_image
from capas.generation.image_sampling import Drawing, DrawnImage, ImageSampler
from capas.generation.sample_files import (
    new_sample_folder,
    png_with_provenance,
    write_contact_sheet,
    write_drawn_image,
)

PICTURE = "edited.png"
ANIMATION = "interpolation.gif"
FRAME_MS = 80


def complete(run: str, image: str, mask: str, count: int, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write ``count`` completions of an image. Raises CapasError as ``complete_image``, and ``folder_not_empty``."""
    folder, (model, sampler) = new_sample_folder(Path(out)), _opened(run)
    made = complete_image(sampler, Path(image), Path(mask), count, drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options) | {"completes": Path(image).name}
    _write(folder, made, provenance, as_json)


def redraw(run: str, image: str, drawing: Drawing, strength: float, out: str, as_json: bool) -> None:
    """Write an image drawn after a given one. Raises CapasError as ``redraw_image``."""
    model, sampler = _opened(run)
    made = redraw_image(sampler, Path(image), drawing, strength=strength)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    redrawn = {"redraws": Path(image).name, "strength": str(strength)}
    write_atomic(Path(out), png_with_provenance(made.pixels, provenance | redrawn))
    if as_json:
        show.print_json({"picture": out, "class": made.class_name, "strength": strength, "seed": drawing.seed})
        return
    show.results().print(Text(say("edit.written", path=out)), soft_wrap=True)


def interpolate(run: str, first: int, second: int, frames: int, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write the images from one sample to another, and a GIF of them. Raises CapasError as ``interpolate_samples``,
    and ``folder_not_empty``.
    """
    folder, (model, sampler) = new_sample_folder(Path(out)), _opened(run)
    made = interpolate_samples(sampler, first, second, frames, drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    _write(folder, made, provenance | {"from": str(first), "to": str(second)}, as_json, animated=True)


def only_image(image: str | None, others: Sequence[str]) -> str:
    """Return the image that is redrawn. Raises CapasError ``strength_alone`` where there is none, or where options of
    another way to edit were given with it.
    """
    if image is None or others:
        raise CapasError("strength_alone", where="--strength", received=", ".join(others) or "–")
    return image


def _opened(run: str) -> tuple[Model, ImageSampler]:
    model = load_model(run)
    return model, ImageSampler(model, run)


def _write(
    folder: Path, made: list[DrawnImage], provenance: dict[str, str], as_json: bool, *, animated: bool = False
) -> None:
    for image in made:
        write_drawn_image(folder, image, provenance)
    sheet = write_contact_sheet(folder, made, provenance)
    if animated:
        _write_animation(folder / ANIMATION, made)
    if as_json:
        show.print_json({
            "folder": str(folder), "count": len(made), "sheet": str(sheet),
            "animation": str(folder / ANIMATION) if animated else None,
            "images": [{"number": image.number, "class": image.class_name} for image in made],
        })  # fmt: skip
        return
    print_written(folder, len(made), sheet, folder / ANIMATION if animated else None)


def _write_animation(path: Path, made: list[DrawnImage]) -> None:
    """There and back, without end."""
    frames = [Image.fromarray(image.pixels) for image in made]
    stream = io.BytesIO()
    frames[0].save(
        stream, "GIF", save_all=True, append_images=frames[1:] + frames[-2:0:-1], duration=FRAME_MS, loop=0,
        comment=say("generate.comment"),
    )  # fmt: skip
    write_atomic(path, stream.getvalue())
