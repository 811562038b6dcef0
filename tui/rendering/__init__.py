"""How numbers and texts become coloured characters; no widget, no state."""
