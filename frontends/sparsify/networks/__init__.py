"""Architectures that are ready to use. Plain torch models: gates come from `sparsify`."""
