"""The nine questions, each in a file of its own: a literal table."""

from collections.abc import Callable, Mapping
from typing import Final

from capas.trust.asked import Asked
from capas.trust.theme import Theme, ThemeName
from capas.trust.themes.attacks import attacks
from capas.trust.themes.calibration import calibration
from capas.trust.themes.groups import groups
from capas.trust.themes.labels import labels
from capas.trust.themes.leakage import leakage
from capas.trust.themes.quality import quality
from capas.trust.themes.stickers import stickers
from capas.trust.themes.unlike import unlike
from capas.trust.themes.zones import zones

ASKING: Final[Mapping[ThemeName, Callable[[Asked], Theme]]] = {
    "quality": quality,
    "calibration": calibration,
    "unlike": unlike,
    "zones": zones,
    "attacks": attacks,
    "stickers": stickers,
    "groups": groups,
    "labels": labels,
    "leakage": leakage,
}
