"""Tabular data: reading, column types, units, and preprocessing."""
