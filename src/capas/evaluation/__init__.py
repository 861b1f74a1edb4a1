"""Evaluation of any system's output against a reference: metrics with intervals, tests, blind challenges."""
