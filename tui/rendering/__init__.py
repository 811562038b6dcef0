"""Turns arrays and texts into strips, lines of coloured characters. There are no widgets here."""
