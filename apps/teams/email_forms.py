"""Forms of email preferences."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms

from apps.forms import QueryForm
from apps.teams.emails import EXPLANATIONS, EmailKind, kinds_for, wants
from apps.teams.models import Membership


class StopForm(QueryForm):
    """The link in an email: nothing, or what a mail program sends, turns off;
    `digest=on` turns on again.
    """

    digest = forms.BooleanField()


class EmailPreferencesForm(forms.Form):
    """One box for each team and kind that the person can get, named `7-digest` for team
    7.
    """

    def __init__(self, memberships: Iterable[Membership], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places = [(each, kind) for each in memberships for kind in kinds_for(each.role)]
        for membership, kind in self.places:
            self.fields[self._name(membership, kind)] = forms.BooleanField(
                label=kind.label,
                help_text=EXPLANATIONS[kind],
                initial=wants(membership, kind),
                required=False,
            )

    def by_team(self) -> list[tuple[Membership, list[forms.BoundField]]]:
        """Return the boxes of each team."""
        found: dict[int, tuple[Membership, list[forms.BoundField]]] = {}
        for membership, kind in self.places:
            _, boxes = found.setdefault(membership.pk, (membership, []))
            boxes.append(self[self._name(membership, kind)])
        return list(found.values())

    def choices(self) -> Iterator[tuple[Membership, EmailKind, bool]]:
        """Yield what was chosen for each team and kind, once the form is valid."""
        for membership, kind in self.places:
            yield membership, kind, self.cleaned_data[self._name(membership, kind)]

    @staticmethod
    def _name(membership: Membership, kind: EmailKind) -> str:
        return f"{membership.team_id}-{kind.value}"
