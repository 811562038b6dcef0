"""The five panes of the dashboard, each in its file, and what they share."""
