"""The archive: untranscribed manuscript pages, read by a handwriting model and made searchable."""
