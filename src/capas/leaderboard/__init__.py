"""The board: results that are comparable, because they were measured on the same data by the same protocol."""
