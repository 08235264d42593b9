"""Protection against processes that hang: a small parent watches its child from
outside, and ends and replaces it.

A thread that holds Python's lock (a regular expression that backtracks, a loop in C)
can't be stopped by its own process. That process then renews no lease and handles no
signal.

The worker uses the supervisor, and `manage.py serve` the group. The package depends on
neither pipelines nor Django.

    table      marks in shared memory: what each thread works on, and since when
    pulse      signs of life of a process
    launch     makes the starting process the supervisor and its child the working process
    supervisor the parent's program; it imports nothing but the standard library
    group      the program that keeps several processes running and ends them together
"""
