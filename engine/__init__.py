"""A character-level RNN, GRU and LSTM in NumPy: cells, training, probes and runs, without any screen."""
