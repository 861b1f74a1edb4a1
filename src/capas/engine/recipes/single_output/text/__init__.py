"""Single-output problems on texts."""
