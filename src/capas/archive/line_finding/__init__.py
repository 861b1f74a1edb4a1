"""Lines of writing found on pages without transcription."""
