"""A wall around processes: a small parent watches them from outside and ends one that
hangs.

A thread that holds Python's lock (a pattern that backtracks, a loop in C) can't be
stopped by its own process, which then renews no lease and hears no signal. Used by the
worker; nothing here knows pipelines or Django.

    table      marks in shared memory: what each thread works on, and since when
    pulse      signs of life of a process and of an event loop
    launch     makes the starting process the supervisor and its child the working process
    supervisor the parent's program; it imports nothing but the standard library
"""
