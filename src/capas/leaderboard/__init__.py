"""The board: results that can be compared, because they were measured on the same data in the same way."""
