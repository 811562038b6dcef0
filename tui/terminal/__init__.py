"""All that touches the terminal itself, or Textual's private side."""
