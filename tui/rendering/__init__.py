"""Arrays and texts in, strips of coloured characters out; no widgets."""
