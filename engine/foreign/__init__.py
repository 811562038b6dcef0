"""Networks that others have trained: their tensors and vocabulary, and the run that is made of them."""
