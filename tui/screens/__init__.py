"""The screens: the dashboard, the list of runs, forms, dialogs and the help."""
