"""The names of GitHub's repositories.

full_name(" acme/api ")      # "acme/api"
full_name("acme")            # raises InvalidName
"""

import re

from apps.integrations.sources.errors import InvalidName

# GitHub's own rules: an owner of up to 39 letters, digits and single hyphens (older
# ones may end in one; managed users have an underscore), a name of up to 100 letters,
# digits, dots, hyphens and underscores.
_FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}")


def full_name(text: str) -> str:
    """Return the repository's name, checked to be of the form `owner/name`."""
    name = text.strip()
    if not _FULL_NAME.fullmatch(name) or name.partition("/")[2] in (".", ".."):
        raise InvalidName(
            f"“{name[:100]}” is not a GitHub repository. Enter it as owner/name, like acme/api."
        )
    return name
