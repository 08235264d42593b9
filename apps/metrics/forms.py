"""Read the query strings and forms of the pages of figures."""

from typing import Any

from django import forms

from apps.forms import ListField, NumberField, QueryForm

MOST_TOKENS = 2_000_000_000
MAX_WORD = 200


class ChoiceQuery(QueryForm):
    """Which pull requests a page counts; `Choices.read` finds what these name."""

    weeks = forms.CharField(max_length=3)
    repository = forms.CharField(max_length=18)
    author = forms.CharField(max_length=18)


class ListQuery(ChoiceQuery):
    """The list of pull requests."""

    q = forms.CharField()
    state = forms.CharField(max_length=20)
    verdict = forms.CharField(max_length=20)
    week = forms.CharField(max_length=10)
    sort = forms.CharField(max_length=20)
    page = forms.CharField(max_length=7)
    more = forms.CharField(max_length=7)
    finding = forms.CharField(max_length=7)
    times = forms.CharField(max_length=20)
    kind = forms.CharField(max_length=20)


class CompareQuery(QueryForm):
    """Two sides of a comparison, a and b."""

    a_from = forms.CharField(max_length=10)
    a_to = forms.CharField(max_length=10)
    a_repository = forms.CharField(max_length=18)
    a_author = forms.CharField(max_length=18)
    a_verdict = forms.CharField(max_length=20)
    b_from = forms.CharField(max_length=10)
    b_to = forms.CharField(max_length=10)
    b_repository = forms.CharField(max_length=18)
    b_author = forms.CharField(max_length=18)
    b_verdict = forms.CharField(max_length=20)


class FormatQuery(QueryForm):
    """`?as=csv` gives the numbers of a page; "as" is a word of Python."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["as"] = forms.ChoiceField(
            choices=[("csv", "csv"), ("json", "json")], required=False
        )


class DownloadQuery(QueryForm):
    by = forms.CharField(max_length=20)


class TokenForm(forms.Form):
    """A new token for the API, or one to revoke."""

    name = forms.CharField(required=False)
    revoke = NumberField(required=False)


class ReadingForm(forms.Form):
    """What the language model may read in a month."""

    monthly_tokens = NumberField(
        least=0,
        most=MOST_TOKENS,
        error_messages={"required": f"Enter a whole number from 0 to {MOST_TOKENS:,}."},
    )
    enabled = forms.BooleanField(required=False)


class DismissForm(QueryForm):
    insight = NumberField()
    reason = forms.CharField()


class RestoreForm(QueryForm):
    rule = forms.CharField(max_length=MAX_WORD)
    subject = forms.CharField(max_length=MAX_WORD)


class CorrectionForm(QueryForm):
    assisted = forms.CharField(max_length=20)
    note = forms.CharField()


class BotForm(QueryForm):
    """An admin's decision about an account, and the page that it was made on."""

    decision = forms.ChoiceField(
        choices=[("bot", "Bot"), ("person", "Person"), ("undo", "Undo")]
    )
    back = forms.ChoiceField(choices=[("people", "People"), ("member", "Member")])


class JoinForm(QueryForm):
    """An admin's decision about accounts of one name; `members` are the primary keys of
    the others.
    """

    decision = forms.ChoiceField(
        choices=[
            ("join", "Join"),
            ("apart", "Not the same"),
            ("suggest", "Suggest again"),
            ("undo", "Undo"),
        ]
    )
    members = ListField(max_count=100, max_length=18)


class WeeklyQuery(QueryForm):
    """The API checks these itself: a program gets an error for a value that can't be
    used.
    """

    by = forms.CharField()
    to = forms.CharField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from"] = forms.CharField(required=False)


class PullRequestsQuery(QueryForm):
    state = forms.CharField()
    kind = forms.CharField()
    repository = forms.CharField()
    limit = forms.CharField()
    before = forms.CharField()
