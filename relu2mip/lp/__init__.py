"""HiGHS as an engine for linear programs, written once: warm programs, safe duals, sweeps, cut rounds, polyhedra."""
