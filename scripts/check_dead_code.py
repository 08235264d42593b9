"""Fail if functions, methods, classes, or imports of `apps` and `project` have no caller:
`python scripts/check_dead_code.py`, part of `make check`.

    apps/metrics/weeks.py:40: unused function 'week_before'

Tests are no callers. vulture finds names that no Python code mentions; those that a template
or a dotted path in a string mentions are left out here. `CALLED_FROM_OUTSIDE` has the rest.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("apps", "project")
# Not variables and attributes: fields of models and forms are read by name, in queries and
# in templates.
KINDS = {"class", "function", "import", "method", "property", "unreachable_code"}
DECORATORS = ["@receiver", "@register*", "@admin.*", "@db_*"]
# What other packages call or read by name, and what only scripts call.
CALLED_FROM_OUTSIDE = [
    *("*Config", "clean_*", "create_superuser", "get_by_natural_key", "normalize_email"),
    *("add_arguments", "as_postgresql", "as_sqlite", "connection_class", "to_url"),  # Django
    *("process_exception", "process_request", "process_view"),  # Django's middleware
    *("get_readonly_fields", "get_urls", "has_*_permission"),  # Django's admin
    *("file_complete", "new_file", "receive_data_chunk"),  # Django's upload handlers
    *("generate_authenticator_name", "is_email_verified", "pre_social_login"),  # allauth
    *("access_token_url", "complete_login", "get_access_token", "get_callback_url"),
    *("get_login_url", "get_oauth2_adapter", "get_scope_from_request", "parse_token"),
    *("append_event", "can_read_channel", "get_events", "is_channel_reliable"),  # eventstream
    *("call_local", "flush_all", "*LaneHuey"),  # huey
    *("collect", "describe"),  # prometheus_client
    *("CommitFactory", "PRReviewFactory", "WeeklyMetricsFactory"),  # tests and shells
    "repository_source",  # scripts/journey.py
    "oidc_roles",  # imported to connect its receiver
]
# The sandbox resolves a field of GitHub's GraphQL schema by the attribute of that name.
GRAPHQL_TYPES = ["*/sandbox/paging.py", "*/sandbox/records.py", "*/sandbox/world.py"]
WORD = re.compile(r"\w+")
DOTTED_PATH = re.compile(r"[\"'](?:apps|project|tests)(?:\.\w+)+[\"']")


def unused(root: Path = ROOT) -> Iterator[str]:
    """Yield a line for each name without a caller."""
    vulture = Vulture(ignore_names=CALLED_FROM_OUTSIDE, ignore_decorators=DECORATORS)
    folders = [str(root / folder) for folder in FOLDERS]
    vulture.scavenge(folders, exclude=["*/migrations/*"])
    named = names_in_templates(root) | names_in_dotted_paths(root)
    for item in vulture.get_unused_code():
        path = Path(item.filename).relative_to(root)
        is_resolver = item.typ == "property" and any(map(path.match, GRAPHQL_TYPES))
        if item.typ in KINDS and item.name not in named and not is_resolver:
            yield f"{path}:{item.first_lineno}: {item.message}"


def names_in_templates(root: Path) -> set[str]:
    names: set[str] = set()
    for path in (root / "templates").rglob("*.*"):
        names.update(WORD.findall(path.read_text()))
    return names


def names_in_dotted_paths(root: Path) -> set[str]:
    """Return the last parts of paths such as "apps.caches.FallbackRedisCache"."""
    names = set()
    for folder in FOLDERS:
        for path in (root / folder).rglob("*.py"):
            for found in DOTTED_PATH.findall(path.read_text()):
                names.add(found.strip("\"'").rpartition(".")[2])
    return names


def main() -> int:
    found = list(unused())
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
