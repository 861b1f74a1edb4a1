"""Out-of-distribution detection: scores, their combination at a false alarm rate, probes, and selective prediction."""
