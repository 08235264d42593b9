"""Redis's rows of the fault table: what is done to a real server, and bytes of a
stand-in that speaks its protocol badly.

The queue holds only hints and the cache only counts: pages, sign-in, and starting work
succeed meanwhile, and what was started is done when the fault has passed.
"""

import contextlib
import signal
import threading
import time

import redis
from huey.storage import RedisStorage

from project.settings import HUEY
from tests.faults.table import Most, Row

# A stand-in that speaks Redis's protocol until it is asked for something.
WELCOMES = {"welcomes": True}
# Seconds: a setup without a fault takes 6 here, and one whose messages were lost is
# found by the sweeper.
SETUP, PAGES = 45, 45
# What stays wrong in the server for the whole situation, and what passes at once.
LASTS, PASSES = "lasts", "passes"
# Causes for which the page and the probes are no worse: nothing is refused any more.
NOTHING, REFUSES = "", "queue_refuses"


def row(name, outcome=REFUSES, lines=60, connections=120, **fault):
    """Return a row; its night may take what its onboarding may.

    Requests are connections to the server.
    """
    most = Most(SETUP, connections, lines)
    return Row(name, outcome, most, most, Most(PAGES, connections, lines), "done", **fault)


def welcomes(answer):
    """Return a function that welcomes a client, and answers all else with these bytes."""

    def play(sent):
        if b"HELLO" in sent:
            return b"%1\r\n$5\r\nproto\r\n:3\r\n"
        return b"+OK\r\n" if b"SETINFO" in sent or b"SELECT" in sent else answer

    return play


def memory_is_full(server):
    with server.client() as client:
        client.config_set("maxmemory", "1")


def memory_is_enough(server):
    with server.client() as client:
        client.config_set("maxmemory", "0")


def disk_fails(server):
    """Let Redis fail to save, so that it refuses writes (MISCONF)."""
    with server.client() as client:
        client.config_set("dir", "/proc")
        client.config_set("save", "1 1")
        client.set("x", "y")
        with contextlib.suppress(redis.ResponseError):
            client.bgsave()
        server.wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] != "ok")


def disk_works(server):
    with server.client() as client:
        client.config_set("dir", str(server.folder))
        client.config_set("save", "")
        client.bgsave()
        server.wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")


def becomes_a_replica(server):
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")


def becomes_the_primary(server):
    with server.client() as client:
        client.replicaof("NO", "ONE")


def password_is_set(server):
    with server.client() as client:
        client.config_set("requirepass", "another-password")
    server.cut_clients("another-password")


def password_is_taken_away(server):
    with server.client("another-password") as client:
        client.config_set("requirepass", "")


def right_is_taken(server):
    with server.client() as client:
        client.acl_setuser(
            "default", enabled=True, nopass=True, commands=["+@all", "-@write"], keys=["*"]
        )


def right_is_given(server):
    with server.client() as client:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"], keys=["*"])


def no_clients_are_taken(server):
    """Hold the only connection that is allowed."""
    server.holder = redis.Redis(port=server.port, single_connection_client=True)
    server.holder.client_kill_filter(_type="normal", skipme=True)
    server.holder.config_set("maxclients", "1")


def clients_are_taken(server):
    server.holder.config_set("maxclients", "10000")
    server.holder.close()


def is_away(server):
    server.process_away()


def returns(server):
    server.process_back()


def freezes(server):
    server.signal(signal.SIGSTOP)


def thaws(server):
    server.signal(signal.SIGCONT)


def script_runs_without_end(server):
    """Keep Redis busy with a script: it answers BUSY."""
    with server.client() as client:
        client.config_set("lua-time-limit", "100")

    def run():
        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis(port=server.port, socket_timeout=60) as client,
        ):
            client.eval("while true do end", 0)

    threading.Thread(target=run, daemon=True).start()
    time.sleep(0.5)


def script_is_killed(server):
    with server.client() as client, contextlib.suppress(redis.ResponseError):
        client.script_kill()


def keys_are_of_another_type(server):
    """Put text where the queue's messages are (WRONGTYPE), as another program on the
    same server might.
    """
    with server.client() as client:
        client.flushall()
        for queue in HUEY["queues"]:
            client.set(RedisStorage(f"{HUEY['name']}_{queue}", client=client).queue_key, "text")


def keys_are_gone(server):
    with server.client() as client:
        client.flushall()


def messages_are_lost(server):
    keys_are_gone(server)


def clients_are_cut(server):
    server.cut_clients()


def restarts_empty(server):
    server.restart()


def nothing_more(server):
    """Nothing has to be undone."""


# What begins and ends a fault of the real server.
SERVER = {
    "memory": (memory_is_full, memory_is_enough),
    "disk": (disk_fails, disk_works),
    "replica": (becomes_a_replica, becomes_the_primary),
    "password": (password_is_set, password_is_taken_away),
    "right": (right_is_taken, right_is_given),
    "clients": (no_clients_are_taken, clients_are_taken),
    "away": (is_away, returns),
    "frozen": (freezes, thaws),
    "script": (script_runs_without_end, script_is_killed),
    "types": (keys_are_of_another_type, keys_are_gone),
    "flushed": (messages_are_lost, nothing_more),
    "cut": (clients_are_cut, nothing_more),
    "restarted": (restarts_empty, nothing_more),
}

ROWS = [
    row("memory_limit", fault="memory"),
    row("disk_full", fault="disk"),
    row("replica", fault="replica"),
    row("password_changed", connections=60, fault="password"),
    row("right_missing", fault="right"),
    row("no_more_clients", fault="clients"),
    row("away", fault="away"),
    row("frozen", fault="frozen"),
    row("script_without_end", fault="script"),
    row("keys_of_another_type", fault="types"),
    row("messages_lost", NOTHING, fault="flushed"),
    row("connections_cut", NOTHING, fault="cut"),
    row("restarted_empty", NOTHING, fault="restarted"),
    # A stand-in. Each answer is another exception of the client library.
    row("refuses_connections", how={"refuse": True}),
    row("silence", how={"silence": True}),
    row("resets", content=b"", how={"then": "reset"}),
    row("ends_without_a_word", content=b"", how={"then": "close"}),
    row("half_an_answer", content=b"$100\r\nhalf", how={"then": "close"}),
    row("error_of_no_kind", content=b"-\r\n"),
    row("error_in_general", content=b"-ERR unknown command\r\n"),
    row("loading", content=b"-LOADING Redis is loading the dataset in memory\r\n"),
    row("busy", content=b"-BUSY Redis is busy running a script.\r\n"),
    row("moved", content=b"-MOVED 3999 127.0.0.1:1\r\n"),
    row("ask", content=b"-ASK 3999 127.0.0.1:1\r\n"),
    row("cluster_down", content=b"-CLUSTERDOWN The cluster is down\r\n"),
    row("try_again", content=b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"),
    row("primary_down", content=b"-MASTERDOWN Link with MASTER is down\r\n"),
    row("no_replicas", content=b"-NOREPLICAS Not enough good replicas to write.\r\n"),
    row(
        "transaction_aborted",
        content=b"-EXECABORT Transaction discarded because of previous errors.\r\n",
    ),
    row("script_unknown", content=b"-NOSCRIPT No matching script.\r\n"),
    row(
        "wrong_password",
        connections=60,
        content=b"-WRONGPASS invalid username-password pair\r\n",
    ),
    row("log_in_wanted", content=b"-NOAUTH Authentication required.\r\n"),
    row(
        "out_of_memory", content=b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    ),
    row("read_only", content=b"-READONLY You can't write against a read only replica.\r\n"),
    row("error_without_end", content=b"-ERR " + b"x" * 200_000 + b"\r\n"),
    row("error_with_bytes", content=b"-ERR \xff\xfe\x00\r\n"),
    row("http", content=b"HTTP/1.1 400 Bad Request\r\n\r\n", how={"then": "close"}),
    row("bytes", content=b"\xff\xfe\x00\r\n"),
    row("length_is_a_word", content=b"$many\r\n"),
    row("count_is_a_word", content=b"*many\r\n"),
    row("number_is_a_word", content=b":many\r\n"),
    row("number_of_5000_digits", content=b":" + b"9" * 5000 + b"\r\n"),
    row("length_of_a_terabyte", content=b"$1000000000000\r\n", how={"then": "close"}),
    row("nesting", content=b"*1\r\n" * 3000 + b":1\r\n"),
    row("newer_protocol", content=b"%1\r\n+a\r\n+b\r\n"),
    row("null", content=b"$-1\r\n"),
    row("ok_to_everything", content=b"+OK\r\n"),
    row("one_to_everything", content=b":1\r\n"),
    row("empty_list_to_everything", content=b"*0\r\n"),
    # It welcomes a client as Redis does, and answers all commands in one way.
    row("ok_to_commands", content=b"+OK\r\n", how=WELCOMES),
    row("pong_to_commands", content=b"+PONG\r\n", how=WELCOMES),
    row("one_to_commands", content=b":1\r\n", how=WELCOMES),
    row("empty_list_to_commands", content=b"*0\r\n", how=WELCOMES),
    row("a_word_to_commands", content=b"$4\r\nword\r\n", how=WELCOMES),
    row("map_to_commands", content=b"%1\r\n+a\r\n+b\r\n", how=WELCOMES),
    row("null_to_commands", content=b"_\r\n", how=WELCOMES),
    row("timeout_in_words_to_commands", content=b"-ERR upstream timed out\r\n", how=WELCOMES),
]
