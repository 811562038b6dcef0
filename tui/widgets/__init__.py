"""The lines around the panes: header, status, tabs, banner, keys."""
