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
from capas.data.tabular.io import decode_text
from capas.decoding.alphabet import Alphabet, normalise_nfc
from capas.decoding.character_ngrams import CharacterNgrams
from capas.decoding.transcripts import CTCDecoder
from capas.engine.config import Config
from capas.engine.recipes.transcription.warm_start import bundle_alphabet, find_bundle
from capas.metrics.edit_distance import count_edits
from capas.page_formats.normalise import NormalisationRules

# A wider beam read no better (measured).
BEAM_WIDTH, MAX_BEAM_WIDTH = 16, 1000
# Tried where nothing is said. On two manuscripts 4 were worse, and 8 no better (docs/log.md).
DEFAULT_ORDER: Final = 6
WEIGHTS, BONUSES = (0.25, 0.5, 0.75), (0.5, 1.0, 1.5, 2.0)
DEFAULT_WEIGHT_BONUS: Final = (0.5, 1.0)  # weight and bonus where there are no lines to try them on
_NUMBERS: TypeAdapter[tuple[float, float]] = TypeAdapter(tuple[float, float])


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderChoice:
    """The way of reading that was chosen, and the character error rates that were compared ({} for none)."""

    decoder: CTCDecoder
    tried: Mapping[str, float]


def fit_ngrams(
    config: Config, texts: Iterable[str], alphabet: Alphabet, rules: NormalisationRules
) -> CharacterNgrams | None:
    """The n-grams that ``config`` wants, of the training transcripts ``texts`` and of its text, to which ``rules`` are
    applied, and those of the reader that it starts from; None for none. Raises CapasError ``unreadable`` or
    ``table_encoding`` for that text."""
    order = DEFAULT_ORDER if config.network.ngrams == "auto" else config.network.ngrams
    if not order:
        return None
    further = [rules.apply(line) for line in _lines_of(config.network.ngram_text)]
    own = CharacterNgrams.fit([*texts, *further], alphabet.characters, order)
    if not config.network.init_from:
        return own
    before = find_bundle(config.network.init_from)
    former = restore_decoder(before, bundle_alphabet(before)).ngrams
    return own if former is None or former.order != order else own.merged_with(former)


def _lines_of(file: str) -> list[str]:
    if not file:
        return []
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise CapasError("unreadable", where=file, received=error.strerror or str(error)) from error
    return [
        " ".join(normalise_nfc(line).split()) for line in decode_text(Path(file), content).splitlines() if line.strip()
    ]


def select_decoder(
    lines: Sequence[tuple[str, Tensor]], alphabet: Alphabet, ngrams: CharacterNgrams | None, *, force_ngrams: bool
) -> DecoderChoice:
    """The best way of reading ``lines`` (true text, calibrated logits T×K). N-grams that are ``force_ngrams`` are taken
    however they do."""
    best, beam = CTCDecoder(alphabet=alphabet), CTCDecoder(alphabet=alphabet, beam=BEAM_WIDTH)
    untried = replace(beam, ngrams=ngrams, weight=DEFAULT_WEIGHT_BONUS[0], bonus=DEFAULT_WEIGHT_BONUS[1])
    if not lines:
        return DecoderChoice(decoder=untried if ngrams and force_ngrams else best, tried={})
    length = max(1, sum(len(text) for text, _ in lines))
    wrong = {"best_path": sum(line_errors(lines, best)), "beam": sum(line_errors(lines, beam))}
    decoder = beam if wrong["beam"] < wrong["best_path"] else best
    if ngrams is not None:
        grid = [replace(untried, weight=weight, bonus=bonus) for weight, bonus in product(WEIGHTS, BONUSES)]
        found = [line_errors(lines, one) for one in grid]
        wrong["ngrams"] = cross_fitted_errors(found)
        if force_ngrams or wrong["ngrams"] < min(wrong["best_path"], wrong["beam"]):
            decoder = grid[min(range(len(grid)), key=lambda i: sum(found[i]))]
    return DecoderChoice(decoder=decoder, tried={name: round(count / length, 6) for name, count in wrong.items()})


def line_errors(lines: Sequence[tuple[str, Tensor]], decoder: CTCDecoder) -> list[int]:
    """Wrong characters of each line."""
    return [count_edits(text, decoder.decode(logits).text).distance for text, logits in lines]


def cross_fitted_errors(found: Sequence[Sequence[int]]) -> int:
    """Mistakes (of each setting, of each line) where half of the lines is read with the best setting of the other."""
    total = 0
    for half in (0, 1):
        chosen = min(found, key=lambda lines: sum(lines[1 - half :: 2]))
        total += sum(chosen[half::2])
    return total


def decoder_json(decoder: CTCDecoder) -> dict[str, object]:
    """What ``answers.json`` says of it; the n-grams are a file of their own."""
    numbers = {"language_model": [decoder.weight, decoder.bonus]} if decoder.ngrams else {}
    return {"beam": decoder.beam, **numbers}


def restore_decoder(bundle: Bundle, alphabet: Alphabet) -> CTCDecoder:
    """The way of reading of a finished model. Raises CapasError ``bundle_incomplete``."""
    answers = bundle.file(ANSWERS)
    beam = answers.get("beam", 0)
    if not isinstance(beam, int) or not 0 <= beam <= MAX_BEAM_WIDTH:
        raise CapasError("bundle_incomplete", where=bundle.folder / ANSWERS, received=f"beam = {beam}")
    decoder = CTCDecoder(alphabet=alphabet, beam=beam)
    if "language_model" not in answers:
        return decoder
    try:
        weight, bonus = _NUMBERS.validate_python(answers["language_model"])
        ngrams = CharacterNgrams.from_json(bundle.file(NGRAMS), alphabet.characters)
    except (ValidationError, ValueError) as error:
        raise CapasError("bundle_incomplete", where=bundle.folder / NGRAMS, received=str(error)[:200]) from error
    return replace(decoder, ngrams=ngrams, weight=weight, bonus=bonus)
