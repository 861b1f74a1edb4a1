"""Words searched in real manuscripts: by probability, in the best reading, and in that with errors allowed.

On the held-out pages of ``make bench manuscripts``: the places of their lines are taken from the ALTO, and nothing of
its text. Queries are all distinct words of the pages' transcripts, as written (capitals and abbreviations included),
and folded (``search.folds``, which is how ``capas archive search`` asks). An event is a query in a line. Every system
sees the same posteriors:

- *index*: the probability from the index of spots, made with ε = 0.01 and, beside it, 0.001;
- *best reading*: a line whose best path holds the word, by the product of its letters' probabilities;
- *fuzzy 1, 2*: so too words of the best path that differ by up to one or two letters, after those that differ by fewer;
- *n-grams*, and *fuzzy 1, 2* of it: the same with the text that the reader's own decoder gives, a beam that weighs
  n-grams of characters (``network.ngrams``), which errs less than the best path. The index knows nothing of them.

mAP is the mean over queries of average precision; gAP that of all events in one list; equal scores share a rank.
Intervals and paired differences come from 1,000 draws, of the queries for mAP and of the lines for gAP (both ways in
the JSON): they speak of other words and lines of these pages, which are few, not of other pages. A word that a hyphen
divides counts in the first of its lines, for all systems alike.

Calibration: every word in a line that the index holds (ε = 0.01) with its probability, against whether the transcript
has it there; ECE over 15 bins of equal count. ``python -m benchmarks.manuscript_search --run RUN…``
"""

import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from benchmarks.manuscripts import asked, held_out, picture_of, runs_of
from benchmarks.record import conditions, keep, table
from capas.archive.library.adding import add_pages_from
from capas.archive.library.database import Library
from capas.archive.reading.index_provenance import provenance_of_reader, write_index_provenance
from capas.archive.reading.index_stores import SPOTS
from capas.archive.reading.pages import HYPHENS, LocalReader, read_archive_page, read_pages, reindex
from capas.archive.reading.posteriors import unpack_posteriors
from capas.decoding.alphabet import normalise_nfc
from capas.decoding.transcripts import CTCDecoder
from capas.engine.recipes.transcription.line_reader import LineReader
from capas.engine.recipes.transcription.predictor import TranscriptionPredictor
from capas.evaluation.bootstrap import SystemMeasurements, metric_differences, metrics_with_intervals
from capas.evaluation.search.average_precision import RankedHits, average_precision, mean_average_precision
from capas.keyword_index.characters import is_word_character
from capas.keyword_index.hits import search_spots
from capas.keyword_index.query import Term
from capas.keyword_index.spelling_folding import fold_spelling
from capas.keyword_index.sqlite_store import SqliteSpots
from capas.metrics.calibration import calibration_error
from capas.metrics.rate import rate

LEASTS = (0.1, 0.01, 0.001)
LEAST = 0.01
SLIDER = (0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01)
NAMES = ("mean_average_precision", "global_average_precision")
RANKED_BY = {"queries": NAMES[0], "lines": NAMES[1]}  # which figure is shown with which draws
Scores = Mapping[tuple[str, int], float]  # of a query in a line


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """An archive of the held-out pages that has been read, and of each line (in one order): where it is, its true
    words, and the words of its best path and of its decoder's text with their probabilities."""

    library: Library
    reader: LineReader
    numbers: dict[tuple[str, int], int]
    truth: list[set[str]]
    best: dict[str, list[dict[str, float]]]
    seconds: float

    @property
    def store(self) -> Path:
        return self.library.folder / SPOTS


def read_held_out_pages(name: str, reader: LineReader, folder: Path, least: float) -> Pages:
    """The held-out pages of a manuscript, read."""
    library = Library.create(folder, name)
    add_pages_from(library, [picture_of(path).absolute() for path in held_out(name)], "", fetch=False, progress=_silent)
    making = provenance_of_reader(reader, name, least)
    write_index_provenance(library, making)
    started = time.process_time()
    report = read_pages(
        library, LocalReader(reader=reader, finder=lambda page: (), min_probability=least), making.origin
    )
    seconds = time.process_time() - started
    assert not report.bad, report.bad
    decoders = {"best reading": CTCDecoder(alphabet=reader.alphabet), "n-grams": reader.decoder}
    numbers: dict[tuple[str, int], int] = {}
    truth: list[set[str]] = []
    best: dict[str, list[dict[str, float]]] = {reading: [] for reading in decoders}
    for page in library.pages():
        rows = library.lines(page.id)
        contents = library.posteriors(page.id)
        for row, after in zip(rows, [*rows[1:], None], strict=True):
            numbers[str(page.id), row.number] = len(truth)
            truth.append(words_of(row.target or "", (after.target or "") if after else ""))
        for reading, decoder in decoders.items():
            words = [_words_read(contents[row.number], decoder) for row in rows]
            best[reading] += [_with_joined(one, after) for one, after in zip(words, [*words[1:], []], strict=True)]
    return Pages(library=library, reader=reader, numbers=numbers, truth=truth, best=best, seconds=seconds)


def _silent(done: int, of: int) -> None:
    """Shows nothing."""


def words_of(text: str, after: str) -> set[str]:
    """The words of a line, and the one that a hyphen at its end divides."""
    ones, others = (_cut([(c, 1.0) for c in normalise_nfc(one).strip()]) for one in (text, after))
    return set(_with_joined(ones, others))


def _cut(letters: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Words and marks with the products of their probabilities."""
    found: list[tuple[str, float]] = []
    inside = False
    for character, p in letters:
        if is_word_character(character) and inside:
            found[-1] = (found[-1][0] + character, found[-1][1] * p)
        elif not character.isspace():
            found.append((character, p))
        inside = is_word_character(character)
    return found


def _words_read(content: bytes, decoder: CTCDecoder) -> list[tuple[str, float]]:
    read_line = decoder.decode(torch.from_numpy(unpack_posteriors(content)).log())
    return _cut(list(zip(read_line.text, read_line.probabilities, strict=True)))


def _with_joined(words: Sequence[tuple[str, float]], after: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Each word with its greatest probability."""
    found: dict[str, float] = {}
    kept = [(word, p) for word, p in words if is_word_character(word[0])]
    if (
        len(words) > 1
        and words[-1][0] in HYPHENS
        and is_word_character(words[-2][0][0])
        and after
        and is_word_character(after[0][0][0])
    ):
        kept.append((words[-2][0] + after[0][0], words[-2][1] * words[-1][1] * after[0][1]))
    for word, p in kept:
        found[word] = max(p, found.get(word, 0.0))
    return found


def by_index(pages: Pages, queries: Sequence[str], *, folds: bool) -> Scores:
    """Probabilities from the index."""
    with SqliteSpots(pages.store) as store:
        return {
            (query, pages.numbers[hit.page, hit.line or 0]): hit.probability
            for query in queries
            for hit in search_spots(store, Term(text=query), folds=folds, limit=10**9).hits
        }


def by_best(best: Sequence[Mapping[str, float]], queries: Sequence[str], *, folds: bool, edits: int) -> Scores:
    """Words of one reading, with up to so many letters other than asked; the nearer before the surer."""
    found: dict[tuple[str, int], float] = {}
    for number, words in enumerate(best):
        for word, p in words.items():
            form = fold_spelling(word) if folds else word
            for query in queries:
                distance = Levenshtein.distance(query, form, score_cutoff=edits)
                away = distance if distance <= edits else None
                if away is not None:
                    found[query, number] = max(p - away, found.get((query, number), -99.0))
    return found


def measured(scores: Scores, truth: Sequence[set[str]], queries: Sequence[str], *, by: str) -> SystemMeasurements:
    """mAP and gAP of a system; ``by``: "lines" or "queries" are what is drawn again."""
    place = {query: number for number, query in enumerate(queries)}
    occurrences = torch.zeros(len(truth), len(queries), dtype=torch.double)
    for line, words in enumerate(truth):
        for word in words:
            occurrences[line, place[word]] = 1
    lines = torch.tensor([line for _, line in scores], dtype=torch.long)
    terms = torch.tensor([place[query] for query, _ in scores], dtype=torch.long)
    right = torch.tensor([query in truth[line] for query, line in scores], dtype=torch.bool)
    values = torch.tensor(list(scores.values()), dtype=torch.double)
    ranked = RankedHits.of(lines, terms, right, values, occurrences)
    by_term = [ranked.only(number) for number in range(len(queries))]
    if by == "lines":

        def figures(weights: Tensor) -> Tensor:
            return torch.stack([mean_average_precision(by_term, weights), average_precision(ranked, weights)], dim=1)

        return SystemMeasurements(
            names=NAMES, units=tuple(map(str, range(len(truth)))), sizes=occurrences.sum(1), of=figures
        )
    alone = torch.ones(1, len(truth), dtype=torch.double)
    each = torch.cat([average_precision(one, alone) for one in by_term])
    turned = RankedHits.of(terms, torch.zeros_like(terms), right, values, occurrences.sum(0)[:, None])

    def of_queries(weights: Tensor) -> Tensor:
        return torch.stack([weights @ each / weights.sum(1), average_precision(turned, weights)], dim=1)

    return SystemMeasurements(names=NAMES, units=tuple(queries), sizes=occurrences.sum(0), of=of_queries)


def compared(pages: Pages, wider: Pages, *, folds: bool) -> tuple[list[list[object]], dict[str, object]]:
    """All systems on the queries, as rows and as figures."""
    truth = [{fold_spelling(word) if folds else word for word in words} for words in pages.truth]
    queries = sorted(set().union(*truth))
    systems = {
        "index, ε = 0.01": by_index(pages, queries, folds=folds),
        "index, ε = 0.001": by_index(wider, queries, folds=folds),
        **{f"{reading}, fuzzy {edits}" if edits else reading: by_best(best, queries, folds=folds, edits=edits)
           for reading, best in pages.best.items() for edits in (0, 1, 2)},
    }  # fmt: skip
    rows: list[list[object]] = []
    facts: dict[str, object] = {"queries": len(queries), "lines": len(truth), "events": sum(map(len, truth))}
    first = {by: measured(systems["index, ε = 0.01"], truth, queries, by=by) for by in ("lines", "queries")}
    for name, scores in systems.items():
        cells: dict[str, list[object]] = {}
        for by in ("lines", "queries"):
            own = measured(scores, truth, queries, by=by)
            figures, lead = metrics_with_intervals(own), metric_differences(first[by], own)
            facts[f"{name}, drawn by {by}"] = {
                one.name: {**one.as_json(), "index_minus_this": less.as_json()}
                for one, less in zip(figures, lead, strict=True)
            }
            at = NAMES.index(RANKED_BY[by])
            cells[by] = [_percent(one[at].value, one[at].interval) for one in (figures, lead)]
        (g, less_g), (m, less_m) = cells["lines"], cells["queries"]
        row = [name, m, g, less_m, less_g]
        found = sum(query in truth[line] for query, line in scores)
        rows.append([*row, f"{100 * found / sum(map(len, truth)):.1f} %"])
    return rows, facts


def _percent(value: float, interval: tuple[float, float] | None) -> str:
    low, high = interval or (float("nan"), float("nan"))
    return f"{100 * value:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def said_of(pages: Pages) -> tuple[Tensor, Tensor]:
    """The probability of every word in a line that the index holds, and whether it is there."""
    missing: dict[tuple[str, int], float] = {}
    with SqliteSpots(pages.store) as store:
        for spot in store.everything():
            key = spot.word, pages.numbers[spot.page, spot.line]
            missing[key] = missing.get(key, 1.0) * (1 - spot.probability)
    stated = torch.tensor([1 - none for none in missing.values()], dtype=torch.double)
    return stated, torch.tensor([word in pages.truth[line] for word, line in missing])


def calibrated(pages: Pages) -> dict[str, object]:
    """ECE with its bins, the log loss, and along the slider how many hits were to be right and were."""
    stated, true = said_of(pages)
    found = calibration_error(stated, true, torch.Generator().manual_seed(0))
    shown = stated >= 0.1
    upper = calibration_error(stated[shown], true[shown], torch.Generator().manual_seed(0))
    sure = stated.clamp(1e-6, 1 - 1e-6)
    loss = -torch.where(true, sure.log(), (1 - sure).log()).mean()
    slider = []
    for least in SLIDER:
        kept = stated >= least
        right = rate(int(true[kept].sum()), int(kept.sum()))
        slider.append({"least": least, "hits": int(kept.sum()), "expected": float(stated[kept].mean()),
                       "precision": right.as_json(),
                       "recall": int(true[kept].sum()) / sum(map(len, pages.truth))})  # fmt: skip
    return {
        "temperature": pages.reader.temperature, "spots": len(stated), "log_loss": float(loss),
        "ece": found.error.value, "interval": list(found.error.interval), "by_chance": found.by_chance,
        "ece_from_0.1": upper.error.value, "ece_from_0.1_interval": list(upper.error.interval),
        "bins": [{"low": one.low, "high": one.high, "stated": one.confidence, "true": one.observed.as_json()}
                 for one in found.bins],
        "slider": slider,
    }  # fmt: skip


def with_temperature(reader: LineReader, temperature: float) -> LineReader:
    """The same reader, its logits divided by another number."""
    model = reader.model
    return replace(reader, model=TranscriptionPredictor(model.network, model.inputs, model.decoder, temperature))


def costs(pages: Pages) -> tuple[list[dict[str, float]], float]:
    """What an index costs at each ε, made anew from the kept posteriors; and the seconds of a page of 30 lines."""
    library, rows, count = pages.library, [], len(pages.library.pages())
    for least in LEASTS:
        origin = provenance_of_reader(pages.reader, "", least).origin
        started = time.process_time()
        spots = reindex(library, pages.reader.alphabet, origin, _silent)
        seconds = time.process_time() - started
        _, true = said_of(pages)
        rows.append({
            "least": least, "spots_per_page": spots / count, "bytes_per_spot": pages.store.stat().st_size / spots,
            "spots_per_line": spots / len(pages.truth), "ms_per_line": 1000 * seconds / len(pages.truth),
            "recall": float(true.sum()) / sum(map(len, pages.truth)),
        })  # fmt: skip
    started = time.process_time()
    for page in library.pages():
        lines = tuple(row.line for row in library.lines(page.id))
        read_archive_page(page, lines, pages.reader, lambda picture: (), LEAST)
    return rows, 30 * (time.process_time() - started) / len(pages.truth)


def searched(name: str, run: Path, folder: Path) -> tuple[str, dict[str, object]]:
    """Everything of one manuscript, as text and as figures."""
    reader = LineReader.open(run)
    pages = read_held_out_pages(name, reader, folder / "pages", LEAST)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wider = read_held_out_pages(name, reader, folder / "wider", LEASTS[-1])
    plain = read_pages(name, with_temperature(reader, 1.0), folder / "plain", LEAST)
    facts: dict[str, object] = {"calibration": calibrated(pages), "without_temperature": calibrated(plain)}
    text = f"\n## {name}\n\n{len(pages.truth)} lines of {len(pages.library.pages())} pages.\n"
    for folds in (False, True):
        rows, figures = compared(pages, wider, folds=folds)
        title = "folded" if folds else "as written"
        facts[title] = figures
        heads = [f"{title}, {figures['queries']} queries", "mAP", "gAP", "index − this, mAP",
                 "index − this, gAP", "events found"]  # fmt: skip
        text += "\n" + table(heads, rows) + "\n"
    text += _told(facts)
    spent, seconds = costs(pages)
    facts |= {"costs": spent, "page_of_30_lines_s": seconds, "read_s": pages.seconds,
              "peak_memory_mb": memory}  # fmt: skip
    heads = ["ε", "spots a page", "spots a line", "bytes a spot", "ms a line", "true words found"]
    cells: list[list[object]] = [[one["least"], f"{one['spots_per_page']:.0f}", f"{one['spots_per_line']:.1f}",
              f"{one['bytes_per_spot']:.0f}", f"{one['ms_per_line']:.1f}", f"{100 * one['recall']:.1f} %"]
             for one in spent]  # fmt: skip
    text += "\n" + table(heads, cells) + "\n"
    return text + (
        f"\nA page of 30 lines, decoded, cut, read and indexed (its lines known): {seconds:.2f} s of one thread. "
        f"Peak of memory after reading all pages: {memory:.0f} MB.\n"
    ), facts


def _told(facts: Mapping[str, object]) -> str:
    """Calibration as tables."""
    ways = [("as fitted", facts["calibration"]), ("temperature 1", facts["without_temperature"])]
    rows: list[list[object]] = []
    slider: list[list[object]] = []
    for name, one in ways:
        assert isinstance(one, dict)
        rows.append([f"{name} ({one['temperature']:.3f})", one["spots"], _percent(one["ece"], one["interval"]),
                     f"{100 * one['by_chance']:.1f}", _percent(one["ece_from_0.1"], one["ece_from_0.1_interval"]),
                     f"{one['log_loss']:.4f}"])  # fmt: skip
    one = facts["calibration"]
    assert isinstance(one, dict)
    for step in one["slider"]:
        slider.append([step["least"], step["hits"], f"{100 * step['expected']:.1f} %",
                       _percent(step["precision"]["value"], step["precision"]["interval"]),
                       f"{100 * step['recall']:.1f} %"])  # fmt: skip
    bins = [[f"{b['low']:.3f}–{b['high']:.3f}", f"{100 * b['stated']:.1f} %", b["true"]["n"],
             _percent(b["true"]["value"], b["true"]["interval"])] for b in one["bins"]]  # fmt: skip
    heads = [
        "temperature",
        "words in lines",
        "ECE, %",
        "by chance up to",
        "ECE of those from 0.1 on, %",
        "log loss, nats",
    ]
    return "\n" + "\n\n".join((
        table(heads, rows),
        table(["probability", "stated", "words in lines", "true, %"], bins),
        table(["least probability", "hits", "precision expected", "precision found, %", "recall"], slider),
    )) + "\n"  # fmt: skip


def main(runs: Sequence[Path] = ()) -> None:
    """Both manuscripts."""
    torch.set_num_threads(1)
    facts = conditions("manuscript-search")
    if runs:
        facts["command"] = "python -m benchmarks.manuscript_search --run RUN…"
    text, found = __doc__ or "", dict[str, object]()
    with tempfile.TemporaryDirectory() as folder:
        for name, run, _ in runs_of(runs, Path(folder)):
            part, found[name] = searched(name, run, Path(folder) / name)
            text += part
    keep("manuscript-search", "Search in manuscripts", text, facts, found)


if __name__ == "__main__":
    main(asked(sys.argv[1:]))
