"""Texts: their sources, their characters as codes, and the losses of models that only count."""
