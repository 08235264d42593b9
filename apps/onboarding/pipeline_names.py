"""The names of the pipelines that read a team's sources.

Runs keep them, so they don't change.
"""

ONBOARDING = "onboarding"
NIGHTLY = "nightly"
