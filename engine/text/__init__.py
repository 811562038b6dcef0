"""Texts: where they come from, their characters as codes, and what counting alone can predict."""
