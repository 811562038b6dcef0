"""Texts that ship with the program, each written or generated for it."""
