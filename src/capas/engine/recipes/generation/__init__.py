"""Learning to make examples like those that were given."""
