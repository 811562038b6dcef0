"""The five instruments of the dashboard, one widget a file."""
