"""The mail server's rows of the fault table.

No fault of it keeps a setup or a night from being done.
"""

from tests.faults.table import Most, Row

# What becomes of the email: sent; it waits for the server, for an operator, or for its
# own next try; there is no such mailbox; or its answer was lost twice, so that it may
# have been sent.
SENT, SERVER, OPERATOR, WAITS = "sent", "server_waits", "operator_needed", "message_waits"
NO_MAILBOX, PERHAPS = "no_mailbox", "perhaps_sent"
PLAIN = "smtp://127.0.0.1:{port}"
# Seconds: a setup without a fault takes 3 here, on a machine with other work.
QUICK = 25


def row(name, outcome, connections=2, lines=2, url=PLAIN, drip=0.0, member="", **answers):
    """Return a row. `answers` are those of the server that differ from a sound one's;
    see `tests.mail.smtp_script`.

    The setup's welcome and completion emails go out, by night nothing is due, and a
    page sends one more.
    """
    most = Most(QUICK, connections, lines)
    page = Most(10, connections, lines)
    how = {"url": url, "drip": drip, "member": member}
    return Row(
        name,
        outcome,
        most,
        Most(QUICK, connections, lines),
        page,
        "done",
        how=how,
        fault=answers,
    )


LOG_IN = b"250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n"
SECURED = "smtp://ada:password@127.0.0.1:{port}"
LONG = b"".join(b"450-%d\r\n" % number for number in range(5000)) + b"450 x\r\n"

ROWS = [
    row("sound", SENT, 3),
    # At the greeting and EHLO.
    row("busy", SERVER, GREETING=b"421 4.3.2 too busy\r\n"),
    row("no_service", SERVER, GREETING=b"554 5.7.1 no service\r\n"),
    row("greets_as_http", SERVER, GREETING=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    row("greets_with_bytes", SERVER, GREETING=b"\xff\xfe\x00\r\n"),
    row("ends_at_once", SERVER, GREETING=None),
    row("hello_refused", SERVER, EHLO=b"550 5.7.1 go away\r\n", HELO=b"550 5.7.1 go away\r\n"),
    row("ends_at_hello", SERVER, EHLO=None),
    # Settings and certificates: an operator has to act.
    row("log_in_not_offered", OPERATOR, url=SECURED),
    row("password_wrong", OPERATOR, url=SECURED, EHLO=LOG_IN, AUTH=b"535 5.7.8 wrong\r\n"),
    row(
        "log_in_of_no_known_kind",
        OPERATOR,
        url=SECURED,
        EHLO=b"250-mail.test\r\n250 AUTH GSSAPI\r\n",
    ),
    row("log_in_fails_for_now", SERVER, url=SECURED, EHLO=LOG_IN, AUTH=b"454 4.7.0 later\r\n"),
    row("tls_not_offered", OPERATOR, url="smtp://127.0.0.1:{port}/?tls=1"),
    row(
        "tls_offered_and_not_spoken",
        SERVER,
        url="smtp://127.0.0.1:{port}/?tls=1",
        EHLO=b"250-mail.test\r\n250 STARTTLS\r\n",
        STAR=b"220 go\r\n",
    ),
    row("tls_from_the_start_not_spoken", SERVER, url="smtps://127.0.0.1:{port}"),
    row("certificate_not_trusted", OPERATOR, url="smtps://127.0.0.1:{tls_port}"),
    row("host_without_an_address", SERVER, url="smtp://mail.invalid:{port}"),
    row("closed_port", SERVER, url="smtp://127.0.0.1:{closed_port}"),
    # The sender.
    row("sender_refused", OPERATOR, MAIL=b"550 5.1.8 bad sender\r\n"),
    row("log_in_wanted", OPERATOR, MAIL=b"530 5.7.0 authentication required\r\n"),
    row("sender_for_now", SERVER, MAIL=b"451 4.7.1 later\r\n"),
    row("slow_down_at_the_sender", SERVER, MAIL=b"421 slow down\r\n"),
    row("too_large", WAITS, 3, 4, MAIL=b"552 5.3.4 too big\r\n"),
    # The recipient.
    row("no_such_mailbox", NO_MAILBOX, 3, 4, RCPT=b"550 5.1.1 unknown\r\n"),
    row("no_such_domain", NO_MAILBOX, 3, 4, RCPT=b"553 5.1.2 unknown\r\n"),
    row("domain_takes_no_email", NO_MAILBOX, 3, 4, RCPT=b"556 5.1.10 no mail\r\n"),
    row("mailbox_disabled", NO_MAILBOX, 3, 4, RCPT=b"550 5.2.1 disabled\r\n"),
    row("no_code_but_550", NO_MAILBOX, 3, 4, RCPT=b"550 No such user here\r\n"),
    row("we_are_blocked", WAITS, 3, 4, RCPT=b"550 5.7.1 blocked\r\n"),
    row("we_are_blocked_with_554", WAITS, 3, 4, RCPT=b"554 5.7.1 blocked\r\n"),
    row("mailbox_full", WAITS, 3, 4, RCPT=b"552 5.2.2 full\r\n"),
    row("greylisted", WAITS, 3, 4, RCPT=b"450 4.2.0 greylisted\r\n"),
    row("slow_down", SERVER, RCPT=b"421 4.7.0 slow down\r\n"),
    row("ends_at_the_recipient", SERVER, RCPT=None),
    row("reason_without_end", WAITS, 3, 4, RCPT=LONG),
    row("reason_with_nul", WAITS, 3, 4, RCPT=b"450 \x00\xff\xed\xa0\x80 later\r\n"),
    row("reason_as_markup", WAITS, 3, 4, RCPT=b"450 <script>alert(1)</script>\r\n"),
    # The text.
    row("data_refused", WAITS, 3, 4, DATA=b"554 5.5.1 no\r\n"),
    row("ends_at_data", SERVER, DATA=None),
    row("spam", WAITS, 3, 4, TEXT=b"554 5.7.1 spam\r\n"),
    row("disk_full", WAITS, 3, 4, TEXT=b"452 4.3.1 full\r\n"),
    row("closing", SERVER, TEXT=b"421 closing\r\n"),
    row("will_forward", SENT, 3, TEXT=b"251 will forward\r\n"),
    row("reply_lost", PERHAPS, 6, 8, TEXT=None),
    row("reply_in_words", PERHAPS, 6, 8, TEXT=b"thanks!\r\n"),
    row("reply_without_end", PERHAPS, 6, 8, TEXT=b"2" * 20_000 + b"\r\n"),
    # Time, and one bad address among good ones.
    row("slow", SENT, 3, drip=0.05),
    row("silent", SERVER, GREETING=b""),
    row("address_without_a_domain", SENT, 3, member="ops@mailhost"),
    row("address_of_two_lines", SENT, 3, member="a@example.com\nBcc: b@example.com"),
]
