"""How the answers of a line reader become text: best path, beam, or beam with n-grams of characters, whichever makes
fewest mistakes on the validation lines.

The weight and the bonus of the n-grams are chosen on the same lines, so that what is compared is cross-fitted: the
mistakes in each half of the lines with the pair that made fewest in the other half.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from capas.bundle.read import Bundle
from capas.bundle.write import ANSWERS, NGRAMS
from capas.core.errors import CapasError
from capas.data.tables import decode_text
from capas.engine.config import Config
from capas.engine.recipes.reader_start import bundle_of, known_of
from capas.pages.normalise import Rules
from capas.tasks.character_ngrams import CharacterNgrams
from capas.tasks.edit_distance import edits
from capas.tasks.transcribe import Alphabet, Decoder, composed

# A wider beam read no better (measured).
BEAM, WIDEST = 16, 1000
# Tried where nothing is said. On two manuscripts 4 were worse, and 8 no better (docs/log.md).
ORDER: Final = 6
WEIGHTS, BONUSES = (0.25, 0.5, 0.75), (0.5, 1.0, 1.5, 2.0)
UNTRIED: Final = (0.5, 1.0)  # weight and bonus where there are no lines to try them on
_NUMBERS: TypeAdapter[tuple[float, float]] = TypeAdapter(tuple[float, float])


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The way of reading that was chosen, and the character error rates that were compared ({} for none)."""

    decoder: Decoder
    tried: Mapping[str, float]


def ngrams_of(config: Config, texts: Iterable[str], alphabet: Alphabet, rules: Rules) -> CharacterNgrams | None:
    """The n-grams that ``config`` wants, of the training transcripts ``texts`` and of its text, to which ``rules`` are
    applied, and those of the reader that it starts from; None for none. Raises CapasError ``unreadable`` or
    ``table_encoding`` for that text."""
    order = ORDER if config.network.ngrams == "auto" else config.network.ngrams
    if not order:
        return None
    further = [rules.applied(line) for line in _lines_of(config.network.ngram_text)]
    own = CharacterNgrams.learnt([*texts, *further], alphabet.characters, order)
    if not config.network.start:
        return own
    before = bundle_of(config.network.start)
    former = reopened_reading(before, known_of(before)).ngrams
    return own if former is None or former.order != order else own.joined(former)


def _lines_of(file: str) -> list[str]:
    if not file:
        return []
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise CapasError("unreadable", where=file, received=error.strerror or str(error)) from error
    return [" ".join(composed(line).split()) for line in decode_text(Path(file), content).splitlines() if line.strip()]


def chosen_reading(
    lines: Sequence[tuple[str, Tensor]], alphabet: Alphabet, ngrams: CharacterNgrams | None, *, wanted: bool
) -> Choice:
    """The best way of reading ``lines`` (true text, calibrated logits T×K). N-grams that are ``wanted`` are taken
    however they do."""
    best, beam = Decoder(alphabet=alphabet), Decoder(alphabet=alphabet, beam=BEAM)
    untried = replace(beam, ngrams=ngrams, weight=UNTRIED[0], bonus=UNTRIED[1])
    if not lines:
        return Choice(decoder=untried if ngrams and wanted else best, tried={})
    length = max(1, sum(len(text) for text, _ in lines))
    wrong = {"best_path": sum(mistakes(lines, best)), "beam": sum(mistakes(lines, beam))}
    decoder = beam if wrong["beam"] < wrong["best_path"] else best
    if ngrams is not None:
        grid = [replace(untried, weight=weight, bonus=bonus) for weight, bonus in product(WEIGHTS, BONUSES)]
        found = [mistakes(lines, one) for one in grid]
        wrong["ngrams"] = cross_fitted(found)
        if wanted or wrong["ngrams"] < min(wrong["best_path"], wrong["beam"]):
            decoder = grid[min(range(len(grid)), key=lambda i: sum(found[i]))]
    return Choice(decoder=decoder, tried={name: round(count / length, 6) for name, count in wrong.items()})


def mistakes(lines: Sequence[tuple[str, Tensor]], decoder: Decoder) -> list[int]:
    """Wrong characters of each line."""
    return [edits(text, decoder.read(logits).text).distance for text, logits in lines]


def cross_fitted(found: Sequence[Sequence[int]]) -> int:
    """Mistakes (of each setting, of each line) where half of the lines is read with the best setting of the other."""
    total = 0
    for half in (0, 1):
        chosen = min(found, key=lambda lines: sum(lines[1 - half :: 2]))
        total += sum(chosen[half::2])
    return total


def reading_json(decoder: Decoder) -> dict[str, object]:
    """What ``answers.json`` says of it; the n-grams are a file of their own."""
    numbers = {"language_model": [decoder.weight, decoder.bonus]} if decoder.ngrams else {}
    return {"beam": decoder.beam, **numbers}


def reopened_reading(bundle: Bundle, alphabet: Alphabet) -> Decoder:
    """The way of reading of a finished model. Raises CapasError ``bundle_incomplete``."""
    answers = bundle.file(ANSWERS)
    beam = answers.get("beam", 0)
    if not isinstance(beam, int) or not 0 <= beam <= WIDEST:
        raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=f"beam = {beam}")
    decoder = Decoder(alphabet=alphabet, beam=beam)
    if "language_model" not in answers:
        return decoder
    try:
        weight, bonus = _NUMBERS.validate_python(answers["language_model"])
        ngrams = CharacterNgrams.from_json(bundle.file(NGRAMS), alphabet.characters)
    except (ValidationError, ValueError) as error:
        raise CapasError("bundle_incomplete", where=bundle.folder / NGRAMS, received=str(error)[:200]) from error
    return replace(decoder, ngrams=ngrams, weight=weight, bonus=bonus)
