"""``capas predict`` and ``capas export``: a trained model in use."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rich.text import Text

from capas.bundle.card import Card
from capas.cli import show
from capas.cli.answer_table import make_answer_table
from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json
from capas.core.i18n import say
from capas.data.image.io import write_image
from capas.data.tabular.write import WRITTEN_SUFFIXES, CsvFormat, check_table_suffix, default_csv_format, write_table
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Prediction
from capas.engine.recipes.shared.table_items import PredictorInputs
from capas.sampling.provenance import png_with_provenance
from capas.trust.ood.selective_prediction import load_with_ood_gate

NAME_WIDTH = 60


def predict(
    run: str,
    inputs: Sequence[str],
    *,
    limit: int | None,
    top: int,
    out: str | None,
    sheet: str | None,
    csv_format: CsvFormat | None,
    batch_size: int,
    answer_all: bool,
    as_json: bool,
    to: str | None = None,
) -> None:
    """Print the predictions for ``inputs``, or write them to a file or folder; exits with code 2 where every input was
    refused.

    Args:
        run: A run, a bundle or a shipped model.
        inputs: Files, folders, "-", ``sample:NAME`` or texts, as the medium allows.
        limit: Most inputs.
        top: Number of classes printed with their probability.
        out: A table (.csv, .tsv, .xlsx, .conll), or a folder for a file per input.
        sheet: Sheet of workbooks among the inputs; chosen if None.
        csv_format: The form of a .csv file; that of the language if None.
        batch_size: Inputs per forward pass.
        answer_all: Predict out-of-distribution inputs too.
        as_json: Print JSON.
        to: Which collection's pictures the inputs become, of a model of two; that of the model if None.
    """
    if out is not None:
        check_table_suffix(Path(out))
    model = load_with_ood_gate(run, answer_all=answer_all)
    if to is not None:
        model.turn(to)
    read = PredictorInputs(card=model.card, read_items=model.predictor.items, sheet=sheet)
    answers = model.stream(islice(read.items(inputs, sys.stdin), limit), batch_size=batch_size)
    unread = 0
    if as_json:
        shown = list(answers)
        show.print_json([answer.as_json(top) for answer in shown])
    elif out is None:
        shown = list(_printed(answers, top))
    elif Path(out).suffix.casefold() == ".conll":
        shown = list(answers)
        write_atomic(Path(out), as_conll(shown))
        show.notes().print(say("predict.written", n=len(shown), path=out))
    elif Path(out).suffix.casefold() in WRITTEN_SUFFIXES:
        shown = list(answers)
        unread = _write_answers(Path(out), model, shown, read, csv_format or default_csv_format())
    else:
        shown = _written_as_files(answers, Path(out), model.card)
    if not shown:
        raise CapasError("nothing_to_predict", where=" ".join(inputs))
    refused = unread + sum(answer.refused is not None for answer in shown)
    if refused:
        show.notes().print(Text(say("predict.refused", n=refused, total=unread + len(shown)), "yellow"))
    if refused == unread + len(shown):
        sys.exit(2)


def _printed(answers: Iterable[Prediction], top: int) -> Iterable[Prediction]:
    console = show.results()
    for answer in answers:
        name = Text(_shortened(answer.input))
        if answer.refused is not None:
            console.print(Text.assemble(name, "  ", (f"✗ {answer.refused}", "yellow")), soft_wrap=True)
        else:
            marks = [say("predict.unlike")] if answer.facts.get("unlike_training_data") else []
            if isinstance(lacking := answer.facts.get("without_columns"), list):
                marks.append(say("predict.without_columns", columns=", ".join(lacking)))
            told = "".join(f"  ! {mark}" for mark in marks)
            console.print(Text.assemble(name, "  ", *_told(answer, top), (told, "yellow")), soft_wrap=True)
        yield answer


def _told(answer: Prediction, top: int) -> Iterable[tuple[str, str]]:
    """A prediction on one line: what it is, its probability, and the next most probable classes."""
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    if answer.text is not None or not ranked:
        yield (answer.text if answer.text is not None else str(answer.prediction), f"bold {show.ACCENT}")
    elif isinstance(answer.prediction, list):
        called = [f"{tag} {show.format_percent(answer.probabilities[tag])}" for tag in answer.prediction]
        yield (" · ".join(called) or say("predict.no_tag"), f"bold {show.ACCENT}")
    else:
        best, *others = ranked[:top]
        yield (best[0], f"bold {show.ACCENT}")
        yield (f" {show.format_percent(best[1])}  {show.bar(best[1], 10):<10}", show.ACCENT)
        yield ("  " + " · ".join(f"{label} {show.format_percent(p)}" for label, p in others), "dim")


def _shortened(name: str) -> str:
    printable = "".join(c if c.isprintable() else "�" for c in name)
    return printable if len(printable) <= NAME_WIDTH else "…" + printable[1 - NAME_WIDTH :]


def _write_answers(
    path: Path, model: Model, answers: Sequence[Prediction], read: PredictorInputs, csv_format: CsvFormat
) -> int:
    """Write the answers beside the user's own columns; return how many rows of their tables could not be read."""
    plain = path.suffix.casefold() == ".tsv" or (path.suffix.casefold() == ".csv" and csv_format == "standard")
    made = make_answer_table(answers, read.origins, model.classes, plain_numbers=plain)
    cut = write_table(path, made.columns, csv_format)
    notes = show.notes()
    notes.print(say("predict.written", n=made.rows, path=path))
    for problem in (problem for raw in read.tables for problem in raw.table.problems if problem.kind == "sheet_chosen"):
        notes.print(Text(f"· {problem.sentence()} {problem.advice()}", "dim"))
    if made.renamed:
        names = ", ".join(f"{name} → {instead}" for name, instead in made.renamed.items())
        notes.print(Text(f"· {say('predict.renamed', names=names)}", "dim"))
    if cut:
        notes.print(Text(say("predict.cut", n=cut), "yellow"))
    return made.unread


def as_conll(answers: Sequence[Prediction]) -> str:
    """Return a word and its label per line, an empty line between sentences. Raises CapasError
    ``no_labels_to_write``.
    """
    blocks = []
    for answer in answers:
        words, labels = answer.facts.get("words"), answer.facts.get("labels")
        if isinstance(words, list) and isinstance(labels, list):
            blocks.append("".join(f"{word} {label}\n" for word, label in zip(words, labels, strict=True)))
        elif answer.refused is None:
            raise CapasError("no_labels_to_write", where="-o")
    return "\n".join(blocks)


def _written_as_files(answers: Iterable[Prediction], folder: Path, card: Card) -> list[Prediction]:
    """Write each prediction to a file of its own in ``folder``: images as PNG, texts as text, everything else as JSON.
    Returns the predictions without their images, which would fill the memory.
    """
    shown, taken = [], set[str]()
    for answer in answers:
        stem = _free_name(Path(answer.input).stem or "answer", taken)
        if answer.picture is not None and answer.provenance:
            made_by = {"model": card.name, "network": card.network.name, "weights": card.weights.hash}
            made_by |= answer.provenance
            write_atomic(folder / f"{stem}.png", png_with_provenance(answer.picture, made_by))
        elif answer.picture is not None:
            write_image(folder / f"{stem}.png", answer.picture)
        for ending, content in answer.files.items():
            write_atomic(folder / f"{stem}{ending}", content)
        if answer.refused is None and answer.picture is None and not answer.files:
            write_json(folder / f"{stem}.json", answer.as_json())
        shown.append(replace(answer, picture=None, files={}))
    show.notes().print(say("predict.written_files", n=len(shown), path=folder))
    return shown


def _free_name(stem: str, taken: set[str]) -> str:
    """``stem`` without characters that file names may not hold, and with a number where it is taken."""
    plain = "".join(c if c.isalnum() or c in "-_. " else "-" for c in stem)[:80]
    name, number = plain, 2
    while name in taken:
        name, number = f"{plain}-{number}", number + 1
    taken.add(name)
    return name


def export(run: str, to: str, out: str | None, as_json: bool) -> None:
    """Write the model of ``run`` in another format. Raises CapasError ``export_unknown``."""
    if to != "onnx":
        raise CapasError("export_unknown", where="--to", received=to)
    model = load_model(run)
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in model.card.name)
    exported = model.export(out or f"{name}.onnx")
    if as_json:
        show.print_json({"path": str(exported.path), "difference": exported.difference, "compared": exported.compared})
        return
    show.results().print(say("export.written", path=exported.path, json=exported.path.with_suffix(".json"),
                             n=exported.compared, difference=f"{exported.difference:.1e}"))  # fmt: skip
