"""Which branches teams keep, by their names: one rule for GitHub and for clones.

    is_long_lived("develop", "main")            True, as are main, staging, 2.x, release/1.4, and 0.11-maintenance
    is_long_lived("mainline", "mainline")       True: it is the trunk
    is_long_lived("release-notes", "main")      False

A merge of one such branch into another is a release (`ChangeKind.RELEASE`): its changes
were counted when they were merged into the first branch.
"""

import re

_LONG_LIVED = re.compile(
    r"main|master|trunk|default|dev|devel|develop|development|next|integration|staging|stage|stable|live|qa|uat|canary"
    r"|prod|production|preprod|pre-production|nightly"
    r"|(?:release|releases|stable|support|maint|maintenance)[/_-]v?[0-9].*"
    r"|(?:release|releases|stable)/.+|release|releases"
    r"|v?[0-9]+(?:[._-][0-9]+)*(?:\.x|[._-](?:stable|maintenance|maint|release|lts))"
)
# Real branch names are shorter; longer ones are not matched.
_LONGEST = 250


def is_long_lived(name: str, trunk: str = "") -> bool:
    """Return whether a branch has a name that teams give to branches which they keep.

    Args:
        name: of the branch, without that of a remote or an owner.
        trunk: the default branch, if it is known.
    """
    return bool(name) and (name == trunk or _LONG_LIVED.fullmatch(name[:_LONGEST]) is not None)
