"""Transcription of line images and of speech by CTC."""
