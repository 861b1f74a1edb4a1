"""Normalised transcripts of the targets."""

from collections.abc import Sequence

from capas.data.collections import ExampleCollection, TextCollection
from capas.decoding.alphabet import normalise_nfc
from capas.page_formats.normalise import NormalisationRules


def normalised_transcripts(targets: ExampleCollection | None, rules: NormalisationRules) -> Sequence[str]:
    assert isinstance(targets, TextCollection)
    return [normalise_nfc(rules.apply(text)) for text in targets.texts]
