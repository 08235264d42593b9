"""A TCP proxy that can stop passing bytes on without closing anything."""

import contextlib
import socket
import threading


class BlackHole:
    """The proxy before a web process."""

    def __init__(self, port):
        self._to = port
        self._sockets = []
        self._threads = []
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(near)
            far = socket.create_connection(("127.0.0.1", self._to))
            self._sockets.append(far)
            for source, target in ((near, far), (far, near)):
                self._threads.append(
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True)
                )
                self._threads[-1].start()

    def _pass_on(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def swallow(self):
        self._open.clear()

    def pass_on(self):
        self._open.set()

    def close(self):
        self._open.set()
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()
