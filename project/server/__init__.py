"""The web process: uvicorn, with a limit for everything that a visitor can send or
hold.

`python -m project.server` starts it. Start reading in `serve`, then `protocol`, which
refuses requests beyond the limits, `connections`, which counts connections, and
`deadline`, which ends a request that takes too long. It imports no app but
`apps.commands`.
"""
