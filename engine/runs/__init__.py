"""A run's directory: its record, checkpoint, kept weights and logs, written by one process and read by any."""
