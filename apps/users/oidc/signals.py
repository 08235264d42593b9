"""Signals about the people whom a sign-in provider has confirmed.

    identity_confirmed(user, groups)   # the provider confirmed a person, at a sign-in or a check

`groups` are the names that OIDC_GROUPS has and the person is in. The signal is sent in
the transaction that records the confirmation; receivers only write rows.
"""

from django.dispatch import Signal

identity_confirmed = Signal()
