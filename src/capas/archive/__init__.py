"""The archive: pages of writing that nobody has transcribed, read and made searchable."""
