"""``capas same``: are two examples of the same identity?"""

import math
from pathlib import Path
from typing import Final

from rich.text import Text

from capas.cli import show
from capas.core.errors import CapasError
from capas.core.i18n import LANGUAGES, catalogue, say
from capas.core.number_format import format_decimal, format_metric, format_percent
from capas.core.output_files import check_output
from capas.data.problems import escape_unprintable
from capas.data.tabular.write import OutputColumn, check_table_suffix, default_csv_format, table_output, write_table
from capas.representation.verify import ComparedPair, ComparedPairs, OperatingPoint, Verifier, open_verifier, read_pairs

PRINTED: Final = 30
HEADS: Final = (
    "same.columns.first", "same.columns.second", "same.columns.probability", "same.columns.cosine",
    "same.columns.decision",
)  # fmt: skip


def same(
    run: str, first: str | None, second: str | None, *, pairs: str | None, folder: str | None, point: OperatingPoint,
    csv: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare two files, the pairs of a table, or all files of a folder. Raises CapasError ``same_words`` and those of
    ``open_verifier``, ``read_pairs`` and ``Verifier``."""
    forms = {"A B": first is not None, "--pairs": pairs is not None, "--all": folder is not None}
    asked = [name for name, there in forms.items() if there]
    if len(asked) != 1 or (first is not None and second is None):
        raise CapasError("same_words", where="capas same", received=", ".join(asked) or "–")
    if csv is not None:
        check_table_suffix(Path(csv))
        heads = [[catalogue(tongue)[key] for key in HEADS] for tongue in LANGUAGES]
        check_output(Path(csv), table_output(*heads), "--csv")
    verifier = open_verifier(run, point)
    if first is not None and second is not None:
        compared = ComparedPairs(pairs=[verifier.compare(first, second)], total=1, failed={})
    else:
        with show.stages(quiet=as_json) as stages:

            def progress(now: int, total: int) -> None:
                stages("embed", now, total)

            if pairs is not None:
                compared = verifier.compare_pairs(read_pairs(Path(pairs)), progress)
            else:
                compared = verifier.compare_all(str(folder), progress)
    if csv is not None:
        write_table(Path(csv), _columns(compared), default_csv_format())
    if as_json:
        show.print_json(as_tree(verifier, compared))
    elif first is not None:
        _print_one(verifier, compared.pairs[0])
    else:
        _print_many(compared, every=pairs is not None)
    if not as_json:
        _print_errors(verifier)
    if csv is not None:
        show.notes().print(say("same.written", path=csv), soft_wrap=True)


def as_tree(verifier: Verifier, compared: ComparedPairs) -> dict[str, object]:
    """Return what ``capas same --json`` prints."""
    point = verifier.point
    return {
        "pairs": [pair.as_json() for pair in compared.pairs],
        "total": compared.total,
        "failed": [{"input": name, "reason": reason} for name, reason in compared.failed.items()],
        "operating_point": {
            "prior": point.prior, "cost_false_match": point.cost_false_match,
            "cost_false_non_match": point.cost_false_non_match,
            "threshold": verifier.threshold if math.isfinite(verifier.threshold) else None,
            "false_match": verifier.false_match.as_json(), "false_non_match": verifier.false_non_match.as_json(),
        },
        "calibrated_on_training": verifier.overconfident,
        "consent": say(f"card.consent.{verifier.card.medium}"),
    }  # fmt: skip


def _decision(pair: ComparedPair) -> str:
    return say("same.decision_same" if pair.same else "same.decision_different")


def _print_one(verifier: Verifier, pair: ComparedPair) -> None:
    screen, prior = show.results(), format_percent(verifier.point.prior, 0)
    words = say("same.answer", decision=_decision(pair), probability=format_percent(pair.probability),
                words=say(f"same.words.{pair.words}"))  # fmt: skip
    screen.print(Text(words[:1].upper() + words[1:], f"bold {show.ACCENT}"), soft_wrap=True)
    cosine = format_decimal(pair.cosine, 3)
    if math.isfinite(verifier.threshold):
        threshold = format_decimal(verifier.threshold, 3)
        screen.print(say("same.given", cosine=cosine, threshold=threshold, prior=prior), soft_wrap=True)
    else:
        screen.print(say("same.given_always", cosine=cosine, decision=_decision(pair), prior=prior), soft_wrap=True)


def _print_many(compared: ComparedPairs, *, every: bool) -> None:
    screen = show.results()
    found = [pair for pair in compared.pairs if pair.same]
    if not found:
        screen.print(say("same.none_above", total=show.whole(compared.total)))
    else:
        line = say("same.found", n=show.whole(len(found)), total=show.whole(compared.total))
        screen.print(Text(line, "bold"), soft_wrap=True)
    listed = compared.pairs if every else found
    for pair in listed[:PRINTED]:
        names = escape_unprintable(f"{pair.first}  ·  {pair.second}")
        parts = [(f"{format_percent(pair.probability):>8}  ", f"bold {show.ACCENT}"), (names, ""),
                 (f"  {_decision(pair)}" if every else "", "dim")]  # fmt: skip
        screen.print(Text.assemble(*parts), soft_wrap=True)
    if len(listed) > PRINTED:
        screen.print(Text(say("same.more", n=show.whole(len(listed) - PRINTED)), "dim"))
    if compared.failed:
        name, reason = next(iter(compared.failed.items()))
        line = say("same.failed", n=show.whole(len(compared.failed)), name=name, reason=reason)
        screen.print(Text(f"! {line}", "yellow"), soft_wrap=True)


def _print_errors(verifier: Verifier) -> None:
    screen = show.results()
    for key, rate in (("false_match", verifier.false_match), ("false_non_match", verifier.false_non_match)):
        line = say(f"same.{key}", rate=format_metric(rate.as_json()), n=show.whole(rate.n))
        screen.print(Text(line, "dim"), soft_wrap=True)
    if verifier.overconfident:
        screen.print(Text(f"! {say('same.overconfident')}", "yellow"), soft_wrap=True)
    screen.print(Text(f"! {say(f'card.consent.{verifier.card.medium}')}", "dim"), soft_wrap=True)


def _columns(compared: ComparedPairs) -> list[OutputColumn]:
    pairs = compared.pairs
    return [
        OutputColumn(name=say(HEADS[0]), cells=[pair.first for pair in pairs]),
        OutputColumn(name=say(HEADS[1]), cells=[pair.second for pair in pairs]),
        OutputColumn(name=say(HEADS[2]), cells=[pair.probability for pair in pairs], decimals=4),
        OutputColumn(name=say(HEADS[3]), cells=[pair.cosine for pair in pairs], decimals=4),
        OutputColumn(name=say(HEADS[4]), cells=[_decision(pair) for pair in pairs]),
    ]
