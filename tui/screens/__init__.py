"""The screens: dashboard, forms and dialogs."""
