"""The one exception that is meant for the person at the keyboard."""


class UserError(Exception):
    """Something the user can mend. Its text is one clear sentence: what, where, what to do.

    The command line prints it without a traceback and exits with code 2.
    """
