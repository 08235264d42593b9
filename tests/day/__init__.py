"""A day of an installation in minutes: two teams, a night, a Monday morning, and a
neighbor that is away twice.

    python -m tests.day --neighbor smtp --seed 1     # github, model, smtp, redis, postgres; without one, by the seed

The processes are real; only their clock is the trial's own (see `clock.c`). It runs
slowly while something is being done and fast while nothing is. At the end each team was
refreshed once, each email arrived once, and the log is small.
"""
