"""Operations as documented: `python -m tests.operations` plays the documents' steps
literally.

It goes from a clone to a served page behind nginx, on PostgreSQL and Redis with
passwords, by compose.yaml and by the units; follows a live run through nginx; restarts
under load in the order of an upgrade; makes a backup and restores it. Commands and
settings are read from docs/operations.md, Dockerfile, compose.yaml, and deploy/, so
these can't drift from what works.

    documents  the commands of a section of a document
    place      a folder that stands for the machine, and the unprivileged user
    python     the production packages of requirements/base.txt, readable by that user
    servers    PostgreSQL, Redis, and nginx
    image      the Dockerfile's steps and the services of compose.yaml
    systemd    stand-ins for systemctl and systemd-run, which read the units
    visitors   people who load pages all the time, and a live stream
    steps      what is done, in order
"""
