"""The boundary to the mail server: each of its answers, and each network error, becomes
one of a few outcomes.

    with MailServer() as server:
        outcome = server.send(message)      # an OutboxMessage

Only a few answers are about the recipient. All others are about this installation, its
login, or the server. Another try can then succeed, so the message waits. The only
exception that is raised is `Unsendable`, for a message that no server could get.
"""

import email.policy
import functools
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage as MimeMessage
from typing import Any, Self

import requests
from anymail.exceptions import AnymailAPIError, AnymailRecipientsRefused
from django.core.mail import EmailMultiAlternatives, mailers
from django.core.mail.backends.smtp import EmailBackend

from apps.mail.http import WatchedAdapter, watch
from apps.mail.models import OutboxMessage
from apps.masking import storable

# The most seconds that a server may take for one message, the connection included,
# however many answers it sends in that time. Shorter than the silence after which a
# worker's process is ended (UNIT_LIMIT).
DEADLINE = 100.0
# Headers that mail programs read without decoding. Folding a long one would encode it,
# and encoded words are not allowed in them (RFC 2047, section 5).
AS_IT_IS = {"list-unsubscribe", "list-unsubscribe-post", "message-id"}
# Answers that end the connection or the whole round: the server is closing, or can't
# authenticate for now.
CLOSING = {421, 454}
# Without an enhanced code these are about the mailbox (RFC 5321, section 4.2.3).
NO_SUCH_MAILBOX = {550, 551, 553}
# Enhanced codes (RFC 3463) about the recipient's address: 5.1.1 to 5.1.6, 5.1.9,
# 5.1.10, and a disabled mailbox. 5.1.7 and 5.1.8 are about the sender.
OF_RECIPIENT = {
    "5.1.0",
    "5.1.1",
    "5.1.2",
    "5.1.3",
    "5.1.4",
    "5.1.6",
    "5.1.9",
    "5.1.10",
    "5.2.1",
}


@dataclass(frozen=True)
class Accepted:
    """The server took the message."""


@dataclass(frozen=True)
class RecipientRefused:
    """The server has no such mailbox: another try would not help."""

    reason: str


@dataclass(frozen=True)
class TryLater:
    """The message has to wait.

    `is_of_server` is True if every other message would get the same answer.
    `needs_operator` is True if waiting alone won't help, because a setting, a login, or
    a certificate is wrong.
    """

    reason: str
    is_of_server: bool = False
    needs_operator: bool = False


@dataclass(frozen=True)
class ReplyLost:
    """The whole message was sent, and the connection ended before an answer: the server
    may have taken it.
    """

    reason: str


type Outcome = Accepted | RecipientRefused | TryLater | ReplyLost


class Unsendable(ValueError):
    """The message breaks the rules of email, so that no server can get it."""


class _ReplyLost(Exception):
    """The connection ended between the end of a message and the answer to it."""


class _Dialog(smtplib.SMTP):
    """SMTP that distinguishes a lost reply from a message that was never sent
    completely, and that another thread can end.
    """

    _has_sent_all = False

    def __init__(self, *args: Any, on_reply: Callable[["_Dialog"], None], **more: Any) -> None:
        self._on_reply = on_reply
        super().__init__(*args, **more)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer. The first one is the greeting. A server may send it byte by
        byte, so another thread must be able to end this, too.
        """
        self._on_reply(self)
        return super().getreply()

    def data(self, msg: Any) -> Any:
        """Send the message's text.

        Raises _ReplyLost if the server may have taken it.
        """
        try:
            code, text = super().data(msg)
        except (OSError, smtplib.SMTPException) as error:
            if self._has_sent_all:
                raise _ReplyLost(_described(error)) from error
            raise
        # The server has the whole message, and its answer can't be interpreted.
        if not 200 <= code < 600:
            raise _ReplyLost(f"The answer was no answer of SMTP: {_text(text)}")
        # Only 250 counts as success in smtplib.
        return (250 if code < 300 else code), text

    def send(self, s: Any) -> None:
        """Send bytes or, for a command, text.

        A line with a single dot is the end of a message.
        """
        super().send(s)
        self._has_sent_all = isinstance(s, bytes) and s.endswith(b"\r\n.\r\n")


class _SecureDialog(_Dialog, smtplib.SMTP_SSL):
    """The same dialog over TLS from the first byte."""


class SmtpBackend(EmailBackend):
    """Django's SMTP backend with the dialog above. `dialog` is the newest one."""

    dialog: _Dialog | None = None

    @property
    def connection_class(self) -> Callable[..., smtplib.SMTP]:  # type: ignore[override]
        # Django calls the result like a class.
        kind = _SecureDialog if self.use_ssl else _Dialog
        return functools.partial(kind, on_reply=self._remember)

    def _remember(self, dialog: _Dialog) -> None:
        self.dialog = dialog

    def abort(self) -> None:
        """End the connection at once, from another thread."""
        connection = self.dialog.sock if self.dialog else None
        if connection is not None:
            with suppress(OSError):
                # A shutdown wakes a thread that is blocked in a read; closing the
                # socket would not.
                connection.shutdown(socket.SHUT_RDWR)


class _WirePolicy(email.policy.EmailPolicy):
    """Line endings for SMTP, without folding the headers that have to stay on one line."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in AS_IT_IS:
            return f"{name}: {value}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in AS_IT_IS:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _WirePolicy(linesep="\r\n", utf8=False)


class Letter(EmailMultiAlternatives):
    """An email whose headers arrive byte for byte as they were written."""

    def message(self, *, policy: Any = None) -> MimeMessage:
        return super().message(policy=_POLICY)


class MailServer:
    """One connection to the configured server. It is opened when it is needed, and used
    for many messages.
    """

    def __init__(self, alias: str = "default", deadline: float = DEADLINE) -> None:
        self._alias = alias
        self._deadline = deadline
        self._backend = mailers[alias]
        # Set while the connection to a mail service's HTTP interface is open.
        self._http: WatchedAdapter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, message: OutboxMessage) -> Outcome:
        """Send one message and return the outcome.

        Raises:
            Unsendable: if the message can't be written as an email.
        """
        return self.hand_over(letter_of(message))

    def hand_over(self, letter: EmailMultiAlternatives) -> Outcome:
        """Send an email within the deadline and return the outcome.

        Raises:
            Unsendable: if an address can't be written in SMTP.
        """
        # A timer, because the socket's timeout starts again with each byte of the
        # server.
        timer = threading.Timer(self._deadline, self._abort)
        timer.daemon = True
        timer.start()
        try:
            return self._hand_over(letter)
        finally:
            timer.cancel()

    def _hand_over(self, letter: EmailMultiAlternatives) -> Outcome:
        try:
            self._open()
        except Exception as error:
            self.close()
            return TryLater(
                _described(error), is_of_server=True, needs_operator=_needs_operator(error)
            )
        try:
            self._backend.send_messages([letter])
        except ValueError as error:
            # The backend has refused an address or a header before it sent anything to
            # the server.
            raise Unsendable(_described(error)) from error
        except Exception as error:
            outcome = outcome_of(error)
            if self._http and self._http.has_sent_all and _is_without_answer(error):
                outcome = ReplyLost(_described(error))
            if not isinstance(outcome, RecipientRefused):
                # The state of the dialog is unknown, so the connection can't be used
                # again.
                self.close()
            return outcome
        return Accepted()

    def _open(self) -> None:
        self._backend.open()
        session = getattr(self._backend, "session", None)
        if self._http is None and isinstance(session, requests.Session):
            self._http = watch(session)

    def _abort(self) -> None:
        """End the connection at once, from the timer's thread."""
        if self._http is not None:
            self._http.abort()
        elif isinstance(self._backend, SmtpBackend):
            self._backend.abort()

    def close(self) -> None:
        """End the connection. Errors are ignored, because the outcome is already known."""
        self._http = None
        try:
            self._backend.close()
        except Exception:
            # A backend that failed to close may be in any state, so a new one replaces
            # it.
            self._backend = mailers[self._alias]


def letter_of(message: OutboxMessage) -> Letter:
    """Return the email of an outbox row, checked.

    Raises:
        Unsendable: if an address or a header breaks the rules.
    """
    letter = Letter(
        message.subject,
        message.text,
        message.from_email,
        [message.recipient],
        headers={
            **message.headers,
            "Message-ID": message.message_id,
            # Asks recipients' servers not to answer with out-of-office replies (RFC
            # 3834).
            "Auto-Submitted": "auto-generated",
        },
    )
    if message.html:
        letter.attach_alternative(message.html, "text/html")
    try:
        # Rendered once before sending, so that a broken header is not found in the
        # middle of the dialog.
        letter.message().as_bytes()
    except Exception as error:
        raise Unsendable(_described(error)) from error
    return letter


def outcome_of(error: Exception) -> Outcome:
    """Return the outcome for an error of sending."""
    reason = _described(error)
    if isinstance(error, _ReplyLost):
        return ReplyLost(storable(str(error)))
    if isinstance(error, AnymailRecipientsRefused):
        return RecipientRefused(reason)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # Each message has one recipient.
        code, text = next(iter(error.recipients.values()), (0, b""))
        if speaks_of_recipient(code, _text(text)):
            return RecipientRefused(reason)
        return TryLater(reason, is_of_server=code in CLOSING)
    if isinstance(error, smtplib.SMTPSenderRefused):
        # All emails have the same sender, so this is about the server. Only a size
        # belongs to a message.
        return TryLater(
            reason, is_of_server=error.smtp_code != 552, needs_operator=_needs_operator(error)
        )
    if isinstance(error, smtplib.SMTPDataError):
        return TryLater(reason, is_of_server=error.smtp_code in CLOSING)
    if isinstance(error, AnymailAPIError):
        return TryLater(
            reason,
            is_of_server=error.status_code in (None, 401, 403, 429),
            needs_operator=_needs_operator(error),
        )
    is_of_server = isinstance(error, OSError)  # smtplib's and requests' errors are OSErrors
    return TryLater(reason, is_of_server=is_of_server, needs_operator=_needs_operator(error))


def speaks_of_recipient(code: int, text: str) -> bool:
    """Return whether an answer to RCPT means that the mailbox does not exist.

    Example:
        speaks_of_recipient(550, "5.1.1 No such user")        # True
        speaks_of_recipient(550, "5.7.1 You are blocked")     # False: it is about this sender
    """
    first = text.split(maxsplit=1)[0] if text.split() else ""
    parts = first.split(".")
    # An enhanced code is more precise than the code before it, so it decides.
    if len(parts) == 3 and all(part.isascii() and part.isdigit() for part in parts):
        return first in OF_RECIPIENT
    return code in NO_SUCH_MAILBOX


def _needs_operator(error: Exception) -> bool:
    """Return whether only an operator can end the error."""
    if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPSenderRefused):
        return not 400 <= error.smtp_code < 500
    if isinstance(error, ssl.SSLCertVerificationError | smtplib.SMTPNotSupportedError):
        return True
    if type(error) is smtplib.SMTPException:
        # The server offers no login method that smtplib supports.
        return True
    if isinstance(error, AnymailAPIError):
        return error.status_code in (401, 403)
    return not isinstance(error, OSError)


def _is_without_answer(error: Exception) -> bool:
    """Return whether a mail service may have taken the message over HTTP although no
    answer could be read.
    """
    if not isinstance(error, AnymailAPIError):
        return False
    return error.status_code is None or 200 <= error.status_code < 300


def _described(error: Exception) -> str:
    return storable(f"{type(error).__name__}: {error}")


def _text(answer: object) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
