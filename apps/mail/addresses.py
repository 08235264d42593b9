"""The one function that accepts an email address: it checks the address, and returns
the form that is stored and compared.

    normalize_address(" Ada@Example.com ")  # "ada@example.com"
    normalize_address("ada@Faß.example")    # "ada@xn--fa-hia.example", never "ada@fass.example"

Two spellings of one mailbox become equal text. Two mailboxes never do: letters are
lowered and nothing else is folded, because an invitation that reaches another mailbox
lets another person in. Domains are encoded by IDNA 2008. Mail libraries encode by IDNA
2003, which maps ß to ss, so they must only get ASCII.
"""

import re
import unicodedata

import idna
from django.core.exceptions import ValidationError

MAX_LENGTH = 254
MAX_LOCAL_LENGTH = 64
MAX_DOMAIN_LENGTH = 253
_SHOWN = 100
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class InvalidAddress(ValueError):
    """The text is not an address that email can be sent to; the message has the reason."""


def normalize_address(text: str) -> str:
    """Return the address in the form that is stored: lower case, its domain in ASCII.

    Args:
        text: an address as typed; spaces around it are dropped.

    Raises:
        InvalidAddress: if it is not a plain address like name@example.com. Quoted local
            parts, local parts outside ASCII (most servers refuse them), and bare hosts
            other than localhost are not accepted.
    """
    address = text.strip(" \t")
    if len(address) > MAX_LENGTH:
        raise InvalidAddress(_TOO_LONG)
    if not address.isprintable() or any(letter.isspace() for letter in address):
        raise InvalidAddress(
            f"{_shown(address)} contains a space or a control character. {_EXAMPLE}"
        )
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise InvalidAddress(f"{_shown(address)} is not an email address. {_EXAMPLE}")
    normalized = f"{_local_part(local, address)}@{_domain(domain, address)}"
    if len(normalized) > MAX_LENGTH:
        raise InvalidAddress(_TOO_LONG)
    return normalized


def address_or_none(text: str | None) -> str | None:
    """Return the normalized address, or None if the text is not an address."""
    try:
        return normalize_address(text or "")
    except InvalidAddress:
        return None


def validate_address(text: str) -> None:
    """Check an address in a form or model field.

    Raises:
        ValidationError: with the reason, if `normalize_address` refuses the text.
    """
    try:
        normalize_address(text)
    except InvalidAddress as error:
        raise ValidationError(str(error), code="invalid") from None


_EXAMPLE = "Enter one like name@example.com."
_TOO_LONG = f"An email address has at most {MAX_LENGTH} characters."


def _local_part(local: str, address: str) -> str:
    # str.lower() maps some letters outside ASCII into it (the Kelvin sign to k), so the
    # check comes first.
    if not local.isascii() or not _LOCAL.fullmatch(local.lower()):
        raise InvalidAddress(
            f"{_shown(address)} is not an email address that mail can be sent to: the part before the @ may only have "
            f"unaccented letters, digits, and characters like . + - _ in it. {_EXAMPLE}"
        )
    if len(local) > MAX_LOCAL_LENGTH:
        raise InvalidAddress(
            f"The part of an email address before the @ has at most {MAX_LOCAL_LENGTH} characters."
        )
    return local.lower()


def _domain(domain: str, address: str) -> str:
    refused = InvalidAddress(
        f"{_shown(address)} is not an email address: its domain is not valid. {_EXAMPLE}"
    )
    if len(domain) > MAX_DOMAIN_LENGTH:
        raise refused
    labels = []
    for label in domain.split("."):
        try:
            labels.append(_encoded(label))
        except (idna.IDNAError, UnicodeError):
            raise refused from None
    if len(labels) < 2 and labels != ["localhost"]:
        raise refused
    if labels[-1].isdigit():
        raise refused  # the end of an IP address
    return ".".join(labels)


def _encoded(label: str) -> str:
    """Return one label of a domain in ASCII.

    Raises idna.IDNAError if IDNA 2008 does not allow it.
    """
    if label.isascii():
        lowered = label.lower()
        if not _LABEL.fullmatch(lowered):
            raise idna.IDNAError("not a host name")
        if lowered.startswith("xn--"):
            # The user has typed the encoded form. It must be the one that this function
            # would return.
            return idna.alabel(idna.ulabel(lowered)).decode()
        return lowered
    # A letter that is canonically another one (the Kelvin sign is a K) would be lowered
    # to that one. A capital sigma has two small forms, which are two domains.
    if unicodedata.normalize("NFC", label) != label or "Σ" in label:
        raise idna.IDNAError("ambiguous")
    return idna.alabel(label.lower()).decode()


def _shown(address: str) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in address)
    return f"“{printable[:_SHOWN]}”"
