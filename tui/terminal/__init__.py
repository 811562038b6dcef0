"""All code that uses the terminal itself, or private names of Textual and Rich."""
