"""A seeded run of faults against real workers, and what must hold afterwards. `make
chaos`, or:

    python -m tests.chaos --runs 1000 --seed 7 --db postgres

Workers, the database and the queue are processes of their own on this machine, ended
with the run.
"""
