"""The sources of pull requests. `base` has what every source is, and their registry;
each source is one folder: its requests, its records, and its texts.

It imports models and `encryption`; `connections`, `sync`, `webhooks`, and the
onboarding ask the registry and name no source. Start with `base`, then `git.source`.
"""
