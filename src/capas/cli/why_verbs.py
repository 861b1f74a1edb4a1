"""``capas explain`` and ``capas attack``: why single inputs are predicted as they are, and what changes the
prediction.
"""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

from PIL import Image
from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.files import write_atomic, write_json
from capas.core.i18n import say
from capas.core.number_format import format_decimal
from capas.engine.predict import Model, load_model
from capas.engine.recipe import Item, Prediction
from capas.engine.run import find_run
from capas.trust.attacks.attack_result import AttackResult
from capas.trust.attacks.single_input import make_attacker
from capas.trust.explanations.cross_attention import TranslationExplanation
from capas.trust.explanations.explainer import AnyExplanation, Explanation, make_explainer
from capas.trust.rendering.cross_attention_page import cross_attention_html
from capas.trust.rendering.heatmap_overlay import overlay_heatmap
from capas.trust.report import read_report

MOST_SHOWN, MOST_LOOKED_AT = 8, 3


def explain(
    run: str, inputs: Sequence[str], *, of: str | None, by: str | None, limit: int | None, out: str | None,
    sheet: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Explain the prediction for each input and print the attributions.

    Args:
        run: A run or bundle.
        inputs: Inputs, as for ``predict``.
        of: The class or tag to explain; by default the predicted one.
        by: Name of the explanation method; by default the one that the run's trust report found reliable and most
            telling, and without such a one the usual one of the medium.
        limit: Most inputs.
        out: Folder for heatmaps and pages, by default the current one.
        sheet: Sheet of workbooks among the inputs; chosen if None.
        as_json: Print JSON.
    """
    model = load_model(run)
    explained_by = make_explainer(model, by or reliable_method(run))
    folder = Path(out or ".")
    found, methods = [], set[str]()
    for item, number in _items(model, inputs, limit, sheet):
        explained = explained_by(item, of)
        if isinstance(explained, TranslationExplanation):
            path: Path | None = folder / f"{_stem(item.name, number)}.explained.html"
            write_atomic(cast(Path, path), cross_attention_html(explained))
            found.append({**explained.as_json(), "page": str(path)})
        else:
            path = _picture_of(explained, folder, number)
            methods.add(explained.method)
            found.append({**explained.as_json(), "picture": None if path is None else str(path)})
        if not as_json:
            _print_explained(explained, path)
    if as_json:
        show.print_json(found)
    elif methods:
        show.notes().print(Text(say(f"trust.why.{_checked(run, methods.pop())}"), "dim"))
    else:
        show.notes().print(Text(say("trust.why.looked_note"), "dim"))


def attack(
    run: str, inputs: Sequence[str], *, size: float, target: str | None, limit: int | None, out: str | None,
    sheet: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Search an adversarial change of each input and print what it does; with ``out`` the changed inputs are written
    there.
    """
    model = load_model(run)
    attack_one = make_attacker(model, eps=size, target=target)
    found = []
    for item, number in _items(model, inputs, limit, sheet):
        attacked = attack_one(item)
        found.append(attacked.as_json())
        if out is not None:
            _write(attacked, Path(out), number)
        if not as_json:
            _print_attacked(attacked)
    if as_json:
        show.print_json(found)
    else:
        show.notes().print(Text(say("trust.why.for_own"), "dim"))


def _items(model: Model, inputs: Sequence[str], limit: int | None, sheet: str | None) -> Iterator[tuple[Item, int]]:
    count = 0
    for count, item in enumerate(islice(model.items(inputs, sys.stdin, sheet=sheet), limit), 1):
        yield item, count
    if not count:
        raise CapasError("nothing_to_predict", where=" ".join(inputs))


def _stem(name: str, number: int) -> str:
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(name).stem)[:60]
    return stem or str(number)


def _picture_of(explanation: Explanation, folder: Path, number: int) -> Path | None:
    if explanation.image is None or explanation.heatmap is None:
        return None
    path = folder / f"{_stem(explanation.prediction.input, number)}.explained.png"
    stream = io.BytesIO()
    Image.fromarray(overlay_heatmap(explanation.image, explanation.heatmap)).save(stream, "PNG")
    write_atomic(path, stream.getvalue())
    return path


def _print_explained(explained: AnyExplanation, path: Path | None) -> None:
    if isinstance(explained, TranslationExplanation):
        _print_translation(explained)
    else:
        _print_explanation(explained)
    if path is not None:
        page = isinstance(explained, TranslationExplanation)
        said = say("trust.why.page_in", path=path) if page else say("trust.why.picture_in", path=path)
        show.results().print(Text(f"  {said}", "dim"), soft_wrap=True)


def _print_translation(explained: TranslationExplanation) -> None:
    """Print the translation, then each of its words with the source words of highest cross-attention."""
    console = show.results()
    answer = explained.prediction
    console.print(Text.assemble(answer.input, "  ", (str(answer.text), f"bold {show.ACCENT}")), soft_wrap=True)
    for piece in explained.segments:
        for one in piece.target_words:
            best = sorted(zip(one.weights, piece.source_words, strict=True), reverse=True)[:MOST_LOOKED_AT]
            looked = " · ".join(f"{word} {show.format_percent(weight)}" for weight, word in best)
            console.print(Text.assemble(f"  {one.word:<20} ← ", (looked, "dim")), soft_wrap=True)


def _print_explanation(explanation: Explanation) -> None:
    console = show.results()
    answer = explanation.prediction
    said = (
        answer.text
        if answer.text is not None
        else f"{explanation.explained_output} {_percent(answer.probabilities.get(explanation.explained_output))}"
    )
    console.print(Text.assemble(answer.input, "  ", (said, f"bold {show.ACCENT}")), soft_wrap=True)
    if explanation.image is None:
        _print_parts(explanation)


def _percent(probability: float | None) -> str:
    return "" if probability is None else show.format_percent(probability)


def _print_parts(explanation: Explanation) -> None:
    """Print a text with its words coloured by attribution; anything else as bars, the largest first."""
    console = show.results()
    largest = max((abs(weight) for _, weight in explanation.attributions), default=0.0) or 1.0
    if len(explanation.attributions) > MOST_SHOWN and all(" " not in name for name, _ in explanation.attributions):
        words = Text("  ")
        for name, weight in explanation.attributions:
            words.append(name, _colour(weight / largest))
            words.append(" ")
        console.print(words)
        return
    for name, weight in sorted(explanation.attributions, key=lambda part: -abs(part[1]))[:MOST_SHOWN]:
        drawn = (show.bar(abs(weight) / largest, 16), _colour(1.0 if weight >= 0 else -1.0))
        console.print(Text.assemble(f"  {name:<24.24} ", (f"{format_decimal(weight, 3):>9} ", "dim"), drawn))


def _colour(share: float) -> str:
    if abs(share) < 0.15:
        return ""
    strength = "bold " if abs(share) > 0.5 else ""
    return strength + ("cyan" if share > 0 else "red")


def reliable_method(run: str) -> str | None:
    """Return the most telling of the methods that the run's trust report found reliable; None where it found none.

    As in the report, the most telling one has the largest area under insertion less that under deletion.
    """
    methods = {name: facts for name, facts in _reported_methods(run).items() if facts.get("reliable")}

    def telling(name: str) -> float:
        return cast(float, methods[name]["insertion"]) - cast(float, methods[name]["deletion"])

    return max(methods, key=telling, default=None)


def _checked(run: str, method: str) -> str:
    """Whether the run's trust report found this explanation method reliable."""
    return "checked" if _reported_methods(run).get(method, {}).get("reliable") else "unchecked"


def _reported_methods(run: str) -> Mapping[str, Mapping[str, object]]:
    """The facts of the methods in the run's trust report, by name; none without a report."""
    try:
        themes = cast(Mapping[str, Mapping[str, object]], read_report(find_run(run))["themes"])
    except CapasError:
        return {}
    facts = cast(Mapping[str, object], themes["explanations"]["facts"])
    return cast(Mapping[str, Mapping[str, object]], facts.get("methods", {}))


def _print_attacked(attacked: AttackResult) -> None:
    console = show.results()
    before, after = attacked.before, attacked.after
    name, colour = ("fooled", "red") if attacked.fooled else ("withstood", "green")
    was, became = (_answered(answer) for answer in (before, after))
    said = f"  {say(f'trust.why.{name}')}"
    console.print(Text.assemble(before.input, "  ", (was, show.ACCENT), " → ", (became, f"bold {colour}"), said),
                  soft_wrap=True)  # fmt: skip
    facts = attacked.facts
    if "largest_change" in facts:
        largest, mean = (show.format_percent(float(str(facts[key]))) for key in ("largest_change", "mean_change"))
        line = say("trust.why.changed", largest=largest, mean=mean)
        if attacked.noise is not None:
            line += " · " + say("trust.why.noise", name=_answered(attacked.noise))
        console.print(Text(f"  {line}", "dim"), soft_wrap=True)
    if attacked.share is not None:
        moved, by_noise = (
            show.format_percent(float(str(facts[key]))) for key in ("changed_answer", "changed_answer_by_noise")
        )
        console.print(Text(f"  {say('trust.why.moved', share=moved, noise=by_noise)}", "dim"), soft_wrap=True)
        failures = cast(list[str], facts["self_check"])
        names = "; ".join(say(f"trust.attacks.failures.{failure}") for failure in failures)
        said = say("trust.attacks.invalid", names=names) if failures else say("trust.attacks.passed")
        console.print(Text(f"  {said}", "yellow" if failures else "dim"), soft_wrap=True)
    if "misspelt" in facts:
        words = ", ".join(cast(list[str], facts["misspelt"])) or "–"
        console.print(Text(f"  {say('trust.why.misspelt', words=words)}", "dim"), soft_wrap=True)


def _answered(answer: Prediction) -> str:
    return answer.text if answer.text is not None else f"{answer.prediction} {_percent(answer.probability)}"


def _write(attacked: AttackResult, folder: Path, number: int) -> None:
    stem = _stem(attacked.before.input, number)
    for ending, content in attacked.files.items():
        write_atomic(folder / f"{stem}{ending}", content)
    if attacked.text is not None:
        write_atomic(folder / f"{stem}.attacked.txt", attacked.text + "\n")
    write_json(folder / f"{stem}.attack.json", attacked.as_json())
