"""``capas edit``: images changed through what a class-conditioned VAE makes of them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.i18n import say
from capas.core.number_format import format_decimal, format_percent
from capas.core.output_files import check_output, marked_output
from capas.data.problems import escape_unprintable
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item
from capas.engine.recipes.generation.predictor import GenerationPredictor
from capas.generation.image_editing import image_as_class
from capas.generation.image_sampling import ImageSampler
from capas.generation.inspect_page import MARK, inspect_page
from capas.generation.latent_editor import LatentEditor
from capas.generation.latents import Latents, read_latents
from capas.sampling.provenance import png_with_provenance

PICTURE, PAGE = "edited.png", "inspect.html"
# What tells an earlier result from a file of the user's: the provenance of a picture names what it was made from.
PICTURE_FILE: Final = marked_output((".png",), "capas:edits", "capas:redraws", "capas:projects")
PAGE_FILE: Final = marked_output((".html", ".htm"), MARK)
LATENTS_FILE: Final = marked_output((".json",), '"kind": "latents"')


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """What is asked for.

    Attributes:
        class_name: The new class; None to leave it.
        style_of: An image whose shared latent is taken; None to leave it.
        traverse: The factor to traverse; None for one picture.
    """

    class_name: str | None
    style_of: str | None
    traverse: str | None

    @property
    def only_class(self) -> str | None:
        """The new class where nothing else is asked for."""
        return self.class_name if self.style_of is None and self.traverse is None else None


def edit(
    run: str, image: str | None, wanted: Edit, *, save: str | None, restore: str | None, inspect: bool, out: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Edit an image, or latents that were saved, and write the picture; or write the page of ``--inspect``.

    Raises CapasError ``edit_wants_one``, ``edit_nothing``, ``edit_not_possible``, and those of ``check_output``,
    ``LatentEditor`` and ``read_latents``.
    """
    if not inspect and (image is None) == (restore is None):
        raise CapasError("edit_wants_one", where="capas edit", received=image or "–")
    if not inspect and save is None and wanted == Edit(class_name=None, style_of=None, traverse=None) and out is None:
        raise CapasError("edit_nothing", where="capas edit")
    path = Path(out or (PAGE if inspect else PICTURE))
    check_output(path, PAGE_FILE if inspect else PICTURE_FILE, "-o")
    if save is not None and not inspect:
        check_output(Path(save), LATENTS_FILE, "--save")
    model = load_model(run)
    if isinstance(model.predictor, GenerationPredictor) and image is not None and wanted.only_class is not None:
        _edit_by_noise(model, run, image, wanted, path, as_json)
        return
    editor = LatentEditor(model, run)
    if inspect:
        _inspect(editor, run, path, as_json)
        return
    given = _given(editor, image, restore)
    edited = given
    if wanted.style_of is not None:
        edited = editor.with_style(edited, _latents_of(editor, wanted.style_of))
    if wanted.class_name is not None:
        edited = editor.with_class(edited, wanted.class_name)
    drawn = editor.image(edited) if wanted.traverse is None else editor.traversal(edited, wanted.traverse)
    write_atomic(path, png_with_provenance(drawn, _provenance(model, image or restore or "", wanted)))
    if save is not None:
        edited.save(Path(save))
    _tell(editor, given, edited, path, save, as_json)


def _edit_by_noise(model: Model, run: str, image: str, wanted: Edit, path: Path, as_json: bool) -> None:
    """Draw an image as another class, of the noise that an invertible network makes of it."""
    made, own = image_as_class(ImageSampler(model, run), Path(image), str(wanted.class_name))
    write_atomic(path, png_with_provenance(made.pixels, _provenance(model, image, wanted)))
    if as_json:
        show.print_json({"picture": str(path), "class_before": own, "class": made.class_name})
        return
    show.results().print(Text(say("edit.written", path=path)), soft_wrap=True)
    show.results().print(Text(say("edit.class_taken", before=own, after=str(made.class_name))), soft_wrap=True)


def _provenance(model: Model, source: str, wanted: Edit) -> dict[str, str]:
    """What the picture says of itself: what it was made from, by what, and how."""
    style = None if wanted.style_of is None else escape_unprintable(Path(wanted.style_of).name)
    asked = {"class": wanted.class_name, "style_of": style, "traverse": wanted.traverse}
    return {
        "model": model.card.name, "network": model.card.network.name, "weights": model.card.weights.hash,
        "edits": escape_unprintable(Path(source).name),
        **{name: value for name, value in asked.items() if value is not None},
    }  # fmt: skip


def _given(editor: LatentEditor, image: str | None, restore: str | None) -> Latents:
    if restore is not None:
        return editor.check(read_latents(Path(restore)), restore)
    assert image is not None
    return _latents_of(editor, image)


def _latents_of(editor: LatentEditor, words: str) -> Latents:
    """The latents of the image that the user named; of several the first."""
    item: Item | None = next(iter(editor.reader.items([words], sys.stdin)), None)
    if item is None:
        raise CapasError("nothing_to_predict", where=words)
    return editor.latents(item)


def _tell(editor: LatentEditor, given: Latents, edited: Latents, path: Path, save: str | None, as_json: bool) -> None:
    ((taken_for, probability),) = editor.answers([edited])
    if as_json:
        show.print_json({
            "picture": str(path), "latents": save, "class_before": given.class_name, "class": edited.class_name,
            "taken_for": {"class": taken_for, "probability": round(probability, 6)},
            "class_latent": list(edited.class_latent), "shared_latent": list(edited.shared_latent),
        })  # fmt: skip
        return
    screen = show.results()
    screen.print(Text(say("edit.written", path=path)), soft_wrap=True)
    if save is not None:
        screen.print(Text(say("edit.saved", path=save)), soft_wrap=True)
    told = "edit.class_kept" if given.class_name == edited.class_name else "edit.class_changed"
    screen.print(Text(say(told, before=given.class_name, after=edited.class_name)), soft_wrap=True)
    line = say("edit.taken_for", name=taken_for, probability=format_percent(probability))
    screen.print(Text(line, "dim" if taken_for == edited.class_name else "yellow"), soft_wrap=True)


def _inspect(editor: LatentEditor, run: str, path: Path, as_json: bool) -> None:
    page, factors = inspect_page(editor, run)
    write_atomic(path, str(page))
    if as_json:
        found = [{"factor": factor.name, "divergence": round(factor.divergence, 6)} for factor in factors]
        show.print_json({"page": str(path), "classes": list(editor.classes), "factors": found})
        return
    screen = show.results()
    screen.print(Text(say("edit.written", path=path)), soft_wrap=True)
    most = ", ".join(f"{factor.name} ({format_decimal(factor.divergence, 2)})" for factor in factors[:5])
    screen.print(Text(say("edit.factors", factors=most)), soft_wrap=True)
