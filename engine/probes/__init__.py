"""Instruments that look into a network, each a pure function of a model and a text: nothing in them trains."""
