"""Single-output problems on images."""
