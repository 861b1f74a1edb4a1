"""Data sets with one planted flaw each, and clean ones, for ``make bench trust-planted``."""
