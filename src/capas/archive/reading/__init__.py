"""Transcription of the archive's pages, and the index of their words."""
