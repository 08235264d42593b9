"""A stand-in between a client and a real PostgreSQL that answers chosen statements with
an error.

    with PostgresWire(port_of_postgres) as wire:
        wire.breaks(b"UPDATE", state="40001")                   # PostgreSQL raises this error instead
        wire.breaks(b"UPDATE", state="57P01", by="fatal")       # FATAL, and the end of the connection
        wire.breaks(b"COMMIT", state="57P01", by="lost answer") # it is done, and the client isn't told so
        wire.broken                                             # statements that met it

An error that does not end the connection is raised by the real server, by a statement
that is sent in place of the chosen one. So the server's transaction and the client's
idea of it agree, as they do in the world.
"""

import selectors
import socket
import struct
from contextlib import suppress

from tests.faults.wire import LONGEST_PAUSE, PIECE, Wire

# What a client sends before it logs in.
SSL_WANTED, ENCRYPTION_WANTED, CANCEL = 80877103, 80877104, 80877102
# Messages of the extended protocol end with this one.
SYNC = b"S"
TEXT = "No."


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def error(state, text=TEXT, severity="ERROR"):
    """Return an ErrorResponse of an SQLSTATE."""
    fields = f"S{severity}\0V{severity}\0C{state}\0M{text}\0"
    return message(b"E", fields.encode("latin-1") + b"\0")


READY = message(b"Z", b"I")
WELCOME = (
    message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\x0016.0\0") + READY
)


def code_of(sent):
    """Return the number of a message that comes before a log-in."""
    return struct.unpack("!i", sent[4:8])[0] if len(sent) >= 8 else 0


def refuses_log_in(state, text=TEXT):
    """Return a function that answers each log-in with an error of an SQLSTATE, as the
    server does: FATAL.
    """

    def answer(sent):
        # The question for encryption is answered by one letter: an error at that place
        # has no SQLSTATE for the client.
        return (
            b"N"
            if code_of(sent) in (SSL_WANTED, ENCRYPTION_WANTED)
            else error(state, text, "FATAL")
        )

    return answer


def refuses_statements(state, text=TEXT):
    """Return a function that takes each log-in, and answers each statement with an
    error of an SQLSTATE.
    """

    def answer(sent):
        if code_of(sent) in (SSL_WANTED, ENCRYPTION_WANTED):
            return b"N"
        if code_of(sent) >> 16 == 3:
            return WELCOME
        return error(state, text) + READY

    return answer


class PostgresWire(Wire):
    """A wire that knows where a message of PostgreSQL's protocol begins and ends."""

    broken = 0

    def breaks(self, words, state, by="error", text=TEXT):
        """Answer each statement that contains these bytes with an error.

        `by` is error, fatal, or lost answer.
        """
        self._use({"words": words, "state": state, "by": by, "text": text})

    def _pass_on(self, connection):
        if "words" not in self._rule:
            super()._pass_on(connection)
            return
        with (
            socket.create_connection(("127.0.0.1", self._upstream), timeout=5) as upstream,
            selectors.PollSelector() as selector,
        ):
            upstream.settimeout(None)
            session = _Session(self._rule)
            selector.register(connection, selectors.EVENT_READ)
            selector.register(upstream, selectors.EVENT_READ)
            while not self._is_over:
                for key, _ in selector.select(LONGEST_PAUSE):
                    data = key.fileobj.recv(PIECE)
                    if not data:
                        return
                    if key.fileobj is upstream:
                        connection.sendall(data)
                        continue
                    upstream.sendall(session.take(data))
                    self.broken += session.pop_broken()
                    if session.is_ended:
                        self._end_session(connection, upstream, session)
                        return

    @staticmethod
    def _end_session(connection, upstream, session):
        """Let the server do what it was sent, and tell the client that its connection
        has ended.
        """
        upstream.shutdown(socket.SHUT_WR)
        upstream.settimeout(5)
        with suppress(OSError):
            while upstream.recv(PIECE):
                pass
        connection.sendall(session.last_words)


class _Session:
    """One connection's messages to the server, with those of chosen statements
    replaced.
    """

    def __init__(self, rule):
        self._rule = rule
        self._rest = b""
        self._is_logged_in = False
        self._skips_to_sync = False
        self._broken = 0
        self.is_ended = False
        self.last_words = error(rule["state"], rule["text"], "FATAL")

    def pop_broken(self):
        """Return how many statements were replaced since the last call."""
        count, self._broken = self._broken, 0
        return count

    def take(self, data):
        """Return the bytes to send to the server, after the client sent these."""
        self._rest += data
        sent = b""
        while not self.is_ended:
            one = self._next_message()
            if one is None:
                break
            sent += self._replaced(one)
        return sent

    def _next_message(self):
        """Take one whole message from what has come; None if it has not come whole."""
        start = 1 if self._is_logged_in else 0
        if len(self._rest) < start + 4:
            return None
        end = start + struct.unpack("!i", self._rest[start : start + 4])[0]
        if len(self._rest) < end:
            return None
        one, self._rest = self._rest[:end], self._rest[end:]
        if not self._is_logged_in:
            self._is_logged_in = code_of(one) >> 16 == 3
            return one
        return one

    def _replaced(self, one):
        kind = one[:1]
        if self._skips_to_sync:
            self._skips_to_sync = kind != SYNC
            return b""
        if kind not in (b"P", b"Q") or self._rule["words"] not in one:
            return one
        self._broken += 1
        if self._rule["by"] == "error":
            self._skips_to_sync = kind == b"P"
            return message(b"Q", self._raise())
        self.is_ended = True
        if self._rule["by"] == "fatal":
            return b""
        # The rest of the statement's messages came with its first.
        return one + self._rest

    def _raise(self):
        text, state = self._rule["text"], self._rule["state"]
        return (
            f"DO $$BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{state}'; END$$".encode()
            + b"\0"
        )
