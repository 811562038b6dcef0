"""Probes: what a network does with a text, each a pure function of a model and codes; none of them trains."""
