"""File name suffixes by medium."""

from typing import Final

from capas.data.audio.io import SUFFIXES as SOUNDS
from capas.data.image.io import SUFFIXES

IMAGE_SUFFIXES: Final = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
AUDIO_SUFFIXES: Final = frozenset(SOUNDS)
TEXT_SUFFIXES: Final = frozenset({".txt", ".text"})
SPREADSHEET_SUFFIXES: Final = frozenset({".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"})
TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}) | SPREADSHEET_SUFFIXES
# Sounds and films that libsndfile does not read.
UNSUPPORTED_AUDIO_SUFFIXES: Final = frozenset({
    ".m4a", ".aac", ".wma", ".amr", ".3gp", ".mp4", ".webm", ".m4b", ".ape", ".mka", ".mov", ".mkv", ".caf", ".ac3",
})  # fmt: skip
# Pictures that Pillow's own decoders do not read: worth a sentence of their own.
UNSUPPORTED_IMAGE_SUFFIXES: Final = frozenset({
    ".svg", ".pdf", ".dcm", ".psd", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".jxl", ".exr", ".nii",
})  # fmt: skip
