"""Training methods around the engine's loop: noisy student with pseudo-labels."""
