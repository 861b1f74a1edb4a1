"""Blind challenges: submissions scored against a hidden reference, and their ranking."""
