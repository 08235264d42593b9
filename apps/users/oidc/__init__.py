"""Sign-in through the OpenID Connect provider of an organization.

May import allauth, the models of `apps.users`, and `apps.masking`; teams are reached by
the signal in `signals`. Start reading in `provider`, then `admission` and `sessions`.
"""
