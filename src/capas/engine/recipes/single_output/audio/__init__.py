"""Single-output problems on audio."""
