"""Probabilistic keyword index over CTC posteriorgrams: keyword spotting, stores of spots, and queries.

A posteriorgram is (T, K): T frames of a line, K labels of which 0 is the blank; rows are probabilities. The package
knows no file format and no network; ``torch`` is not loaded.
"""
