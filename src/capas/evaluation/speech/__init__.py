"""Evaluation of speech: word error rates, diarization, significance tests."""
