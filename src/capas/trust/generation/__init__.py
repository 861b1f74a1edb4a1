"""Models that draw: what the report shows of their samples, and whether they are new."""
