"""A problem as one normal form over its whole horizon, and what is known of it: bounds, implications, plans."""
