"""What runs in and around a worker process: the queues, the heartbeat, the sweeper, and
what health checks read.

It imports the engine and the models of this app; `runner` and `tasks` import parts of
it. Start with `consumer`, then `sweeper`.
"""
