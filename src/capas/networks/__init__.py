"""Networks, one paper per file: plain modules that know no task, file or device; ``catalog`` is their table."""
