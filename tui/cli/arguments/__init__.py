"""The arguments and the help of each command: no slow imports here."""
