"""The same trajectory problem by other tools: ``build(problem) -> native model``, ``solve(model, ...)``."""
