"""``predict`` and ``export``: a finished model in use."""

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import write_atomic
from capas.core.messages import say
from capas.engine.predict import Model, Prediction, expand_inputs, load_model

NAME_WIDTH = 60


def predict(
    run: str,
    inputs: Sequence[str],
    *,
    limit: int | None,
    top: int,
    out: str | None,
    batch_size: int,
    as_json: bool,
) -> None:
    """Print the answers for ``inputs``, or write them to a CSV file; exit code 2 when every picture was refused."""
    model = load_model(run)
    pictures = islice(expand_inputs(inputs, sys.stdin), limit)
    answers = model.stream(pictures, batch_size=batch_size)
    if as_json:
        shown = list(answers)
        show.print_json([answer.as_json(top) for answer in shown])
    elif out is not None:
        shown = list(answers)
        write_atomic(Path(out), _as_csv(model, shown))
        show.notes().print(say("predict.written", n=len(shown), path=out))
    else:
        shown = list(_printed(answers, top))
    if not shown:
        raise CapasError("nothing_to_predict", where=" ".join(inputs))
    refused = sum(answer.refused is not None for answer in shown)
    if refused:
        show.notes().print(Text(say("predict.refused", n=refused, total=len(shown)), "yellow"))
    if refused == len(shown):
        sys.exit(2)


def _printed(answers: Iterable[Prediction], top: int) -> Iterable[Prediction]:
    console = show.results()
    for answer in answers:
        name = Text(_shortened(answer.input))
        if answer.refused is not None:
            console.print(Text.assemble(name, "  ", (f"✗ {answer.refused}", "yellow")), soft_wrap=True)
        else:
            best, *others = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])[:top]
            line = Text.assemble(
                name, "  ", (best[0], f"bold {show.ACCENT}"), f" {show.percent(best[1])}  ",
                (f"{show.bar(best[1], 10):<10}", show.ACCENT),
                ("  " + " · ".join(f"{label} {show.percent(p)}" for label, p in others), "dim"),
            )  # fmt: skip
            console.print(line, soft_wrap=True)
        yield answer


def _shortened(name: str) -> str:
    printable = "".join(c if c.isprintable() else "�" for c in name)
    return printable if len(printable) <= NAME_WIDTH else "…" + printable[1 - NAME_WIDTH :]


def _as_csv(model: Model, answers: Iterable[Prediction]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["input", "prediction", "probability", "refused", *(f"p({name})" for name in model.classes)])
    for answer in answers:
        probability = "" if answer.probability is None else f"{answer.probability:.6f}"
        rest = [f"{answer.probabilities[name]:.6f}" for name in model.classes] if answer.probabilities else []
        writer.writerow([answer.input, answer.prediction or "", probability, answer.refused or "", *rest])
    return text.getvalue()


def export(run: str, to: str, out: str | None, as_json: bool) -> None:
    """Write the model of ``run`` in another format."""
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
