"""The nine themes of the report, each in a file of its own, as a literal table."""

from collections.abc import Callable, Mapping
from typing import Final

from capas.trust.theme import Theme, ThemeName
from capas.trust.theme_context import ThemeContext
from capas.trust.themes.attacks import attacks_theme
from capas.trust.themes.calibration import calibration_theme
from capas.trust.themes.explanations import explanations_theme
from capas.trust.themes.groups import groups_theme
from capas.trust.themes.labels import labels_theme
from capas.trust.themes.leakage import leakage_theme
from capas.trust.themes.ood import ood_theme
from capas.trust.themes.quality import quality_theme
from capas.trust.themes.stickers import stickers_theme

THEME_FUNCTIONS: Final[Mapping[ThemeName, Callable[[ThemeContext], Theme]]] = {
    "quality": quality_theme,
    "calibration": calibration_theme,
    "ood": ood_theme,
    "explanations": explanations_theme,
    "attacks": attacks_theme,
    "stickers": stickers_theme,
    "groups": groups_theme,
    "labels": labels_theme,
    "leakage": leakage_theme,
}
