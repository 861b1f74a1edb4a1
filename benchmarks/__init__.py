"""One file per reproduced table: configuration, expected figures, and what was measured (in ``results/``)."""
