"""Read the query strings and forms of the pages of a team's setup."""

from django import forms

from apps.forms import ListField, NumberField, QueryForm

MAX_REPOSITORIES = 1000
MAX_NAME = 300


class ConnectForm(QueryForm):
    """A source, and the token for it.

    The source's own check states what is wrong with them.
    """

    source = forms.CharField(max_length=40)
    token = forms.CharField(max_length=4000)


class ListingQuery(QueryForm):
    """What an address of the list of repositories asks for:

    `?again`, `?further`, `?sizes`, `?part` are flags.
    """

    q = forms.CharField(max_length=1000)
    view = forms.CharField(max_length=20)
    page = NumberField(most=1_000_000)


class ListingForm(QueryForm):
    """The form around the list: what it showed, what was ticked of it, and the button
    that sent it.
    """

    q = forms.CharField(max_length=1000)
    months = NumberField(most=1000)
    do = forms.CharField(max_length=40)
    shown = ListField(max_count=MAX_REPOSITORIES, max_length=MAX_NAME)
    pick = ListField(max_count=MAX_REPOSITORIES, max_length=MAX_NAME)


class RetryForm(QueryForm):
    """The repositories to read again; none means all."""

    repository = ListField(max_count=MAX_REPOSITORIES, max_length=MAX_NAME)


class InstalledQuery(QueryForm):
    """What GitHub adds to the address at which a person comes back from installing the
    app.
    """

    setup_action = forms.CharField(max_length=40)
    installation_id = NumberField()
    code = forms.CharField(max_length=500)
    state = forms.CharField(max_length=2000)
