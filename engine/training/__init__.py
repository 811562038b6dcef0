"""Training: batches, optimisers, the trainer, and the processes that share a batch."""
