"""One run alive: the training loop, what viewers ask of it, and the messages between them."""
