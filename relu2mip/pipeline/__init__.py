"""From a problem to a checked answer: compile, solve, judge, describe."""
