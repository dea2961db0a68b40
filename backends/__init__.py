"""Backends: each hands the arrays of a `MipModel` to one solver in bulk and returns its word as a `Solution`."""
