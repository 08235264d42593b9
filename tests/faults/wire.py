"""A stand-in for any server over TCP: it passes bytes on to the real one, or plays one
that is broken.

    with Wire(port_of_redis) as wire:
        wire.plays(b"-ERR no\\r\\n")                  # each time that a client sends something
        wire.plays(b"", then="reset")                # RST at its first bytes
        wire.plays(None)                             # no bytes and no end: silence
        wire.refuses()                               # ends each connection as soon as it is there
        wire.passes_on()                             # to the real server again
        wire.connections                             # since the last of these calls

Connections that are open meet the new rule, too: they are ended when the rule changes.
"""

import selectors
import socket
import struct
import threading
from contextlib import suppress

PIECE = 65536
LONGEST_PAUSE = 0.1


class Wire:
    """A listener on a free port.

    `greeting` is sent before the client has said a word.
    """

    def __init__(self, port):
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._rule = {}
        self._open = set()
        self._is_over = False

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self._listener.close()
        self._end_all()

    def passes_on(self):
        self._use({})

    def plays(self, answer, then="go on"):
        """Answer whatever a client sends with these bytes, or those that a function
        returns for what it sent.

        `then` is "go on", "close", or "reset".
        """
        self._use({"answer": answer, "then": then})

    def refuses(self):
        self._use({"refuse": True})

    def _use(self, rule):
        self._rule, self.connections = rule, 0
        self._end_all()

    def _end_all(self):
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while not self._is_over:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        self._open.add(connection)
        try:
            with connection, suppress(OSError):
                rule = self._rule
                if rule.get("refuse"):
                    return
                if "answer" in rule:
                    self._play(connection, rule)
                else:
                    self._pass_on(connection)
        finally:
            self._open.discard(connection)

    @staticmethod
    def _play(connection, rule):
        while sent := connection.recv(PIECE):
            answer = rule["answer"]
            if answer is not None:
                connection.sendall(answer(sent) if callable(answer) else answer)
            if rule["then"] == "close":
                return
            if rule["then"] == "reset":
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                return

    def _pass_on(self, connection):
        with (
            socket.create_connection(("127.0.0.1", self._upstream), timeout=5) as upstream,
            # A process of many tests has file descriptors above those that select()
            # takes.
            selectors.PollSelector() as selector,
        ):
            upstream.settimeout(None)
            selector.register(connection, selectors.EVENT_READ, upstream)
            selector.register(upstream, selectors.EVENT_READ, connection)
            while not self._is_over:
                for key, _ in selector.select(LONGEST_PAUSE):
                    one, other = key.fileobj, key.data
                    data = one.recv(PIECE)
                    if not data:
                        return
                    other.sendall(data)
