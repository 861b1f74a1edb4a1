"""Networks for sequences: texts, sentences, spectrograms and time series."""
