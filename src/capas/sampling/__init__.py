"""How samples are drawn from generative networks."""
