"""Random requests over every address as six people, against a real web process.

    python -m tests.fuzz --requests 20000 --seed 1 --db sqlite
    python -m tests.fuzz --seconds 240 --db postgres

Fails on an answer of 5xx, a broken connection, an answer over two seconds, an email to
the operators, and when fewer requests than a floor were made. A request that fails is
made smaller before it is printed. Start reading in `__main__`.
"""
