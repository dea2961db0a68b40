"""The surroundings of a run: its deadline, its progress, Ctrl-C, and the standard output it leaves alone."""
