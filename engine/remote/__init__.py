"""A run in another process, or one that has ended, seen as if it were here."""
