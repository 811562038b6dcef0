"""A fair benchmark: this project and others are timed in turn, each in a process of its own."""
