"""Search of an archive: hits with probabilities, snippets, and their tables and pages."""
