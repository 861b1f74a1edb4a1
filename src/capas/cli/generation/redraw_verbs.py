"""``capas complete`` and ``capas interpolate``: images filled in, and images between two samples."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from rich.text import Text

from capas.cli import show
from capas.cli.generation.generate_verb import image_json, print_notes, print_written, provenance_of
from capas.cli.representation.edit_verbs import PICTURE_FILE
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.core.output_files import check_output
from capas.engine.predict import Model, load_model
from capas.generation.image_editing import (
    complete_image,
    interpolate_images,
    interpolate_samples,
    mix_styles,
    project_image,
    redraw_image,
)
from capas.generation.image_sampling import Drawing, DrawnImage, ImageSampler
from capas.generation.sample_files import new_sample_folder, write_contact_sheet, write_drawn_image
from capas.sampling.provenance import png_with_provenance

PICTURE = "edited.png"
ANIMATION = "interpolation.gif"
FRAME_MS = 80
FRAMES = 16
STRENGTH = 0.7


def complete(run: str, image: str, mask: str, count: int, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write ``count`` completions of an image. Raises CapasError as ``complete_image``, and ``folder_not_empty``."""
    folder, (model, sampler) = new_sample_folder(Path(out)), _opened(run)
    print_notes(sampler, drawing)
    made = complete_image(sampler, Path(image), Path(mask), count, drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options) | {"completes": Path(image).name}
    _write(folder, made, provenance, as_json)


def redraw(run: str, image: str, drawing: Drawing, strength: float | None, out: str, as_json: bool) -> None:
    """Write an image drawn after a given one. Raises CapasError as ``redraw_image``."""
    strength = STRENGTH if strength is None else strength
    check_output(Path(out), PICTURE_FILE, "-o")
    model, sampler = _opened(run)
    print_notes(sampler, drawing)
    made = redraw_image(sampler, Path(image), drawing, strength=strength)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    redrawn = {"redraws": Path(image).name, "strength": str(strength)}
    write_atomic(Path(out), png_with_provenance(made.pixels, provenance | redrawn))
    if as_json:
        show.print_json({"picture": out, **image_json(made), "strength": strength, "seed": drawing.seed})
        return
    show.results().print(Text(say("edit.written", path=out)), soft_wrap=True)


def interpolate(run: str, first: str, second: str, frames: int, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write the images from one sample, or image of the user's, to another, and a GIF of them.

    Raises CapasError as ``interpolate_samples`` or ``interpolate_images``, and ``folder_not_empty``.
    """
    folder, (model, sampler) = new_sample_folder(Path(out)), _opened(run)
    print_notes(sampler, drawing)
    if first.isdecimal() and second.isdecimal():
        made = interpolate_samples(sampler, int(first), int(second), frames, drawing)
    else:
        made = interpolate_images(sampler, Path(first), Path(second), frames, drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    ends = {"from": Path(first).name, "to": Path(second).name}
    _write(folder, made, provenance | ends, as_json, animated=True)


def mix(run: str, first: str, second: str, frames: int | None, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write the images between two samples of which the coarse layers draw the one and the fine layers the other.

    Raises CapasError as ``mix_styles``, ``folder_not_empty``, and ``mix_has_frames`` where ``frames`` are given.
    """
    if frames is not None:
        raise CapasError("mix_has_frames", where="--frames", received=frames)
    if not (first.isdecimal() and second.isdecimal()):
        raise CapasError("mix_of_samples", where="--mix", received=f"{first} {second}")
    folder, (model, sampler) = new_sample_folder(Path(out)), _opened(run)
    made = mix_styles(sampler, int(first), int(second), drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options)
    _write(folder, made, provenance | {"coarse": first, "fine": second}, as_json, animated=True)


def project(run: str, image: str, drawing: Drawing, out: str, as_json: bool) -> None:
    """Write the nearest image to a given one that a network draws. Raises CapasError as ``project_image``."""
    check_output(Path(out), PICTURE_FILE, "-o")
    model, sampler = _opened(run)
    made, difference = project_image(sampler, Path(image), drawing)
    provenance = provenance_of(model, drawing.seed, drawing.options) | {"projects": Path(image).name}
    write_atomic(Path(out), png_with_provenance(made.pixels, provenance))
    if as_json:
        show.print_json({"picture": out, **image_json(made), "difference": round(difference, 2), "seed": drawing.seed})
        return
    show.results().print(Text(say("edit.written", path=out)), soft_wrap=True)
    show.results().print(Text(say("edit.projected", levels=format_decimal(difference, 1))), soft_wrap=True)


def only_image(image: str | None, others: Sequence[str], *, error: str = "strength_alone") -> str:
    """Return the image that is redrawn or projected. Raises CapasError ``error`` where there is none, or where options
    of another way to edit were given with it.
    """
    if image is None or others:
        where = "--project" if error == "project_alone" else "--strength"
        raise CapasError(error, where=where, received=", ".join(others) or "–")
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
            "images": [image_json(image) for image in made],
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
