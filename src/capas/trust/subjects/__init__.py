"""Models under test: a run with its examples, outputs and features, by kind of output."""
