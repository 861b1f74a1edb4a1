"""Text line detection: baselines and outlines on page images."""
