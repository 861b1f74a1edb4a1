"""The command line: one file per family of verbs. Nothing heavy is imported before a verb needs it."""
