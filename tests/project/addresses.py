"""Every address of the site, found by walking the URL resolver, and filled with the
rows of one team.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.urls import URLResolver, get_resolver
from django.utils.regex_helper import normalize


class UnknownArgument(Exception):
    """A new address has an argument of a new name."""


@dataclass(frozen=True)
class Address:
    """A URL pattern: its view and that's name (the path, where it has none), the path
    with places for its arguments.
    """

    name: str
    path: str
    arguments: tuple[str, ...]
    view: Callable[..., object] = field(compare=False)

    @property
    def of_team(self):
        return "slug" in self.arguments

    def filled(self, values):
        """The path of these values.

        Raises UnknownArgument for one that nobody has taught us.
        """
        given = {
            name: values.get(f"{self.name}:{name}", values.get(name)) for name in self.arguments
        }
        if unknown := [name for name, value in given.items() if value is None]:
            raise UnknownArgument(
                f"{self.name}: say in tests/project/addresses.py what {', '.join(unknown)} stands for."
            )
        return self.path % given

    def __str__(self):
        return self.name


def walk(resolver=None, path="/", arguments=(), namespaces=()):
    """Every address below a resolver."""
    for entry in (resolver or get_resolver()).url_patterns:
        piece, names = normalize(entry.pattern.regex.pattern)[0]
        full, given = path + piece, (*arguments, *names)
        if isinstance(entry, URLResolver):
            inner = (*namespaces, entry.namespace) if entry.namespace else namespaces
            yield from walk(entry, full, given, inner)
        else:
            yield Address(
                ":".join((*namespaces, entry.name)) if entry.name else full,
                full,
                given,
                entry.callback,
            )


# Arguments that name no row of a team.
WORDS = {
    "source": "github",
    "object_id": 1,
    "app_label": "metrics",
    "content_type_id": 1,
    "id": 1,
    "url": "no/such/page",
    "key": "key",
    "uidb36": "1",
    "token": "token",
    "metrics:api_nothing:rest": "v1/nothing",
    "metrics:chart_csv:key": "merge",
    "metrics:chart_json:key": "merge",
    "mail:detail:pk": 1,
    "mail:html:pk": 1,
    "mfa_remove_webauthn:pk": 1,
    "mfa_edit_webauthn:pk": 1,
}


def rows(of):
    """What each argument that names a row is in one team, whose rows are the attributes
    of `of`.
    """
    return {
        "run_id": of.run.pk,
        "user_id": of.owner.pk,
        "invitation_id": of.invitation.pk,
        "member_id": of.member.pk,
        "repository_id": of.repository.pk if hasattr(of, "repository") else 1,
        "team_id": of.team.pk,
        "join_domain_id": of.join_domain.pk if hasattr(of, "join_domain") else 1,
        "join_request_id": of.join_request.pk if hasattr(of, "join_request") else 1,
        "pull_id": of.pull.pk,
        "integrations:webhook:key": "3f0a1c52-8a3e-4d0c-9f55-5a5c2f6f7f10",
    }


def values(of):
    """What each argument of an address is in one team."""
    return {"slug": of.team.slug, **WORDS, **rows(of)}
