"""The network: parameters, cells, forward and backward pass, sampling."""
