"""Probabilistic search in posteriorgrams of the CTC: keywords, the spots of a line, where they are kept, queries.

A posteriorgram is (T, K): T frames of a line, K labels of which 0 is the blank; rows are probabilities. It knows no
file and no network; ``torch`` is not loaded.
"""
