"""The web process: uvicorn, with a bound for everything that a visitor can send or
hold.

`python -m project.server` starts it. Start reading in `serve`, then `protocol`, which
refuses what is too much, `connections`, which counts, and `deadline`, which ends a
request that takes too long. It imports no app but `apps.commands`.
"""
