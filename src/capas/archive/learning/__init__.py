"""Training on corrected lines, and comparison of models."""
