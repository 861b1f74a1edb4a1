"""How samples compare with real data: features of both, (N, D), and distances to training data."""
