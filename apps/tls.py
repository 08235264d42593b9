"""Share one TLS context for calls to other servers in the whole process.

httpx makes a context for each client, and reads the certificate authorities for it,
which takes some 80 ms of the processor. A worker makes a client for each unit of work.
"""

import functools
import ssl

import httpx


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the context that httpx would make: it verifies certificates and host
    names.
    """
    return httpx.create_ssl_context()
