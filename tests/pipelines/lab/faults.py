"""Kills this worker, by SIGKILL, at an exact place: LAB_KILL=<step's task>:<place>.

    dequeued    the message is out of the queue, nothing has been claimed
    claimed     the step is claimed, its body has written nothing
    unit        in the transaction of a unit, the second one where there is one
    handoff     the step is committed as done, the next one's message has not been sent

Places are found by Huey's own hooks and by watching SQL; none of the product's
functions is touched.
"""

import os
import signal
import threading

from django.db.backends.signals import connection_created
from huey.contrib.djhuey import HUEY

current = threading.local()


def install(order):
    task, _, place = order.partition(":")

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    @HUEY.pre_execute()
    def before(message):
        current.task, current.units = message.name, 0
        if message.name == task and place == "dequeued":
            die()

    @HUEY.post_execute()
    def after(message, value, error):
        current.task = None
        if message.name == task and place == "handoff":
            die()

    def watch(execute, sql, params, many, context):
        # On PostgreSQL it may be the first part of a larger one.
        changes = sql.removeprefix("WITH c0 AS (").startswith('UPDATE "pipelines_steprun" SET')
        if getattr(current, "task", None) == task and changes:
            # The first statement of the first unit, or of the step's end.
            if place == "claimed" and '"attempt" = attempt + 1' not in sql:
                die()
            # A step of one unit dies at its end, which writes the result.
            if place == "unit" and ('"cursor" = ' in sql or '"result" = ' in sql):
                current.units += 1
                if current.units == 2:
                    die()
        return execute(sql, params, many, context)

    def on_connection(sender, connection, **kwargs):
        connection.execute_wrappers.append(watch)

    connection_created.connect(on_connection, weak=False)
