"""File name suffixes by medium."""

from typing import Final

from capas.data.audio.io import SUFFIXES as SOUNDS
from capas.data.image.io import SUFFIXES

IMAGE_SUFFIXES: Final = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
AUDIO_SUFFIXES: Final = frozenset(SOUNDS)
TEXT_SUFFIXES: Final = frozenset({".txt", ".text"})
TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"})
# Pictures that Pillow's own decoders do not read: worth a sentence of their own.
UNSUPPORTED_IMAGE_SUFFIXES: Final = frozenset({
    ".heic", ".heif", ".avif", ".svg", ".pdf", ".dcm", ".psd", ".raw", ".cr2", ".cr3", ".nef", ".arw",
    ".dng", ".jp2", ".jxl", ".exr", ".nii",
})  # fmt: skip
