"""Single-output problems on rows of a table."""
