"""A run in another process, or one that has ended, behind the same `Link` as a run in this one."""
