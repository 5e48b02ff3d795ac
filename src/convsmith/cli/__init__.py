"""The command line: one thin file a verb, and only the verb asked for is imported."""
