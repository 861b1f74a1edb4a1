"""Decoding of network outputs: CTC, beam search, n-grams, label schemes, thresholds."""
