"""A mail server of bytes: it answers each command with what a test wrote for it, right
or wrong.

    with Script(RCPT=b"550 5.7.1 No\r\n") as server:     # all else is answered as usual
        server.port

An answer of None ends the connection without a word. DATA is answered twice: at the
command, and as TEXT after the dot. `letters` has the bytes of each message that was
answered as usual.
"""

import socket
import threading
import time
from contextlib import suppress

USUAL = {
    "GREETING": b"220 mail.test\r\n",
    "EHLO": b"250 mail.test\r\n",
    "MAIL": b"250 ok\r\n",
    "RCPT": b"250 ok\r\n",
    "DATA": b"354 go on\r\n",
    "TEXT": b"250 taken\r\n",
    "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}


class Script:
    def __init__(self, *, drip=0.0, tls=None, **answers):
        """Take the answers that differ from the usual ones.

        `drip` is the pause between two bytes, in seconds; `tls` is an SSLContext, to
        speak TLS from the first byte.
        """
        self.answers, self.drip, self.tls = USUAL | answers, drip, tls
        self.connections, self.texts = 0, 0
        self.letters = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._is_over = False

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._is_over = True
        self._socket.close()

    def _serve(self):
        while not self._is_over:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._begin, args=[connection], daemon=True).start()

    def _begin(self, connection):
        with connection, suppress(OSError):
            self._talk(
                self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            )

    def _talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            try:
                if not self._answer(connection, "GREETING"):
                    return
                for line in lines:
                    command = line[:4].decode("latin-1").upper()
                    if not self._answer(connection, command):
                        return
                    if command == "DATA" and self.answers["DATA"].startswith(b"354"):
                        text = b"".join(iter(lines.__next__, b".\r\n"))
                        self.texts += 1
                        if self.answers["TEXT"] == USUAL["TEXT"]:
                            self.letters.append(text)
                        if not self._answer(connection, "TEXT"):
                            return
            except (OSError, StopIteration):
                return

    def _answer(self, connection, command):
        answer = self.answers.get(command, b"500 what?\r\n")
        if answer is None:
            return False
        if not self.drip:
            connection.sendall(answer)
            return True
        for place in range(len(answer)):
            connection.sendall(answer[place : place + 1])
            time.sleep(self.drip)
        return True
