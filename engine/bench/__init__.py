"""A benchmark that can be believed: this project against others, each in its own process, in turn."""
