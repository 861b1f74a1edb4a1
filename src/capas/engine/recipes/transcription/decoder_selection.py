"""The choice of CTC decoder: best path, beam search, or beam search with character n-grams, whichever makes the fewest
errors on the validation lines.

Weight and length bonus of the n-grams are chosen on the same lines, so the comparison is cross-fitted: the errors in
each half of the lines with the pair that made the fewest in the other half.
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
from capas.core.files import read_regular
from capas.data.tabular.io import decode_text
from capas.decoding.alphabet import Alphabet, normalise_nfc
from capas.decoding.character_ngrams import CharacterNgrams
from capas.decoding.transcripts import CTCDecoder
from capas.engine.config import Config
from capas.engine.recipes.shared.initial_weights import find_bundle
from capas.engine.recipes.transcription.warm_start import bundle_alphabet
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
    """The chosen decoder, and the character error rates by which it was chosen ({} for none)."""

    decoder: CTCDecoder
    tried: Mapping[str, float]


def fit_ngrams(
    config: Config, texts: Iterable[str], alphabet: Alphabet, rules: NormalisationRules
) -> CharacterNgrams | None:
    """Fit character n-grams to the training transcripts and to the text file of ``config``, merged with those of the
    reader that training starts from.

    Args:
        config: The resolved configuration.
        texts: Training transcripts, normalised.
        alphabet: The alphabet of the network.
        rules: Normalisation of the text file.

    Returns:
        The n-grams, or None where ``config`` wants none.

    Raises:
        CapasError: ``unreadable`` or ``table_encoding`` for the text file.
    """
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
        content = read_regular(Path(file))
    except OSError as error:
        raise CapasError("unreadable", where=file, received=error.strerror or str(error)) from error
    return [
        " ".join(normalise_nfc(line).split()) for line in decode_text(Path(file), content).splitlines() if line.strip()
    ]


def select_decoder(
    lines: Sequence[tuple[str, Tensor]], alphabet: Alphabet, ngrams: CharacterNgrams | None, *, force_ngrams: bool
) -> DecoderChoice:
    """Choose the decoder with the fewest errors.

    Args:
        lines: True text and calibrated logits (T, K) of each validation line.
        alphabet: The alphabet of the network.
        ngrams: Character n-grams, or None.
        force_ngrams: Use the n-grams whatever their error rate.
    """
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
    """Return the edit distance of each line."""
    return [count_edits(text, decoder.decode(logits).text).distance for text, logits in lines]


def cross_fitted_errors(found: Sequence[Sequence[int]]) -> int:
    """Return the errors where each half of the lines is decoded with the best setting of the other half; ``found`` has
    a row per setting and a column per line.
    """
    total = 0
    for half in (0, 1):
        chosen = min(found, key=lambda lines: sum(lines[1 - half :: 2]))
        total += sum(chosen[half::2])
    return total


def decoder_json(decoder: CTCDecoder) -> dict[str, object]:
    """Return the decoder's entries of ``answers.json``; n-grams are a file of their own."""
    numbers = {"language_model": [decoder.weight, decoder.bonus]} if decoder.ngrams else {}
    return {"beam": decoder.beam, **numbers}


def restore_decoder(bundle: Bundle, alphabet: Alphabet) -> CTCDecoder:
    """Restore the decoder of a trained model. Raises CapasError ``bundle_incomplete``."""
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
