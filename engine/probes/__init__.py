"""Probes measure what a network does with a text. They are functions of a model and codes, and change neither."""
