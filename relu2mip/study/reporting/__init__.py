"""The report of a study: one page, figures for a paper, a table."""
