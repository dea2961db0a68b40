"""What a run lives in: its deadline, its progress, Ctrl-C, and the standard output it leaves alone."""
