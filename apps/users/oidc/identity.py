"""Read the person who has signed in from the provider's claims: subject, email address,
names, and groups.

The claims of the ID token and the answer of the userinfo endpoint are two sources. Each
statement is taken from one of them as a whole: an address of one source with the
confirmation of another would let an unverified address pass.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.mail.addresses import address_or_none
from apps.users.oidc.errors import OidcError, Reason, invalid

Claims = dict[str, Any]
_YES = (True, "true", "1")


@dataclass(frozen=True, slots=True)
class Identity:
    """One person, as the provider describes them.

    `groups` holds only groups that OIDC_GROUPS names; it is None if neither source has
    the claim.
    """

    subject: str
    email: str
    is_verified: bool
    first_name: str
    last_name: str
    name: str
    groups: frozenset[str] | None


def read(id_claims: Claims | None, userinfo: Claims | None, subject: str) -> Identity:
    """Return the identity of the person with this subject.

    Raises OidcError if userinfo is about another person, or if the groups are
    incomplete.
    """
    sources = [source for source in (userinfo, id_claims) if source is not None]
    for source in sources:
        if source.get("sub") != subject:
            raise invalid("the provider's answers are about different people")
    email, is_verified = _email(sources)
    return Identity(
        subject=subject,
        email=email,
        is_verified=is_verified,
        first_name=_text(sources, "given_name"),
        last_name=_text(sources, "family_name"),
        name=_text(sources, "name"),
        groups=_groups(sources),
    )


def _email(sources: list[Claims]) -> tuple[str, bool]:
    """Return the address of the first source that has one, and whether it is verified.

    Sources about the same address confirm it together, unless one of them denies it.
    Text that is not an address counts as none.
    """
    addresses = [source.get("email") for source in sources]
    email = next((address for address in addresses if isinstance(address, str) and address), "")
    statements = []
    for source, address in zip(sources, addresses, strict=True):
        if address == email and settings.OIDC_VERIFIED_CLAIM in source:
            statements.append(source[settings.OIDC_VERIFIED_CLAIM])
    is_verified = bool(statements) and all(each in _YES for each in statements)
    return address_or_none(email) or "", is_verified


def _text(sources: list[Claims], name: str) -> str:
    for source in sources:
        value = source.get(name)
        if isinstance(value, str) and value.strip():
            # Names are shown in pages and emails, so control characters are replaced.
            printable = "".join(letter if letter.isprintable() else " " for letter in value)
            return " ".join(printable.split())[:100]
    return ""


def _groups(sources: list[Claims]) -> frozenset[str] | None:
    if not settings.OIDC_GROUPS:
        return frozenset()
    for source in sources:
        elsewhere = source.get("_claim_names")
        if isinstance(elsewhere, dict) and settings.OIDC_GROUPS_CLAIM in elsewhere:
            # Entra ID does so for people in more than 200 groups.
            raise OidcError(
                Reason.GROUPS, "the claim of the groups was left out because it is too long"
            )
        value = _claim(source, settings.OIDC_GROUPS_CLAIM)
        if value is not None:
            names = value if isinstance(value, list) else [value]
            return frozenset(
                name for name in names if isinstance(name, str) and name in settings.OIDC_GROUPS
            )
    return None


def _claim(source: Claims, name: str) -> Any:
    """Return a claim by its name, or by a path like `realm_access.roles`; None if it is
    missing.
    """
    if name in source:
        return source[name]
    value: Any = source
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
