"""The terminal dashboard and the command line, on top of `engine`."""
