"""A run's directory: its record, checkpoint, kept weights and logs; the one writer, the readers, the list of runs."""
