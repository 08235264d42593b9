"""The product's settings for tests: an environment of this session's own, the engine's
lab, hashes that cost nothing.

Neither the developer's `.env` nor exported settings count. Processes that a test starts
inherit what was prepared here. With SERVERS=1 in the environment, rows are in a
PostgreSQL and messages in a Redis that are started for the session.
"""

import atexit
import os
import tempfile

from tests import servers

if (
    "FIRSTLIGHT_TESTS" not in os.environ
    # pytest-xdist's workers inherit the environment that its controller prepared for
    # itself; each needs its own.
    or os.environ.get("FIRSTLIGHT_TESTS_OF", "") != os.environ.get("PYTEST_XDIST_WORKER", "")
):
    for name in (
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "DATABASE_URL",
        "REDIS_URL",
        "EMAIL_URL",
        "DEFAULT_FROM_EMAIL",
        "ADMINS",
        "CREDENTIAL_KEYS",
        "GITHUB_API_URL",
        "GITHUB_TOKEN",
        "GIT_SOURCE_ROOT",
        "GROQ_API_KEY",
        "LLM_BASE_URL",
        "LLM_MODEL",
        "UNIT_LIMIT",
        "LLM_REQUESTS_A_MINUTE",
        "LLM_TOKENS_A_MINUTE",
        "LLM_MONTHLY_TOKENS",
        "LLM_INSTALLATION_MONTHLY_TOKENS",
        "LLM_PATIENCE",
        "TEAMS_PER_ACCOUNT",
        "GITHUB_APP_ID",
        "GITHUB_APP_SLUG",
        "GITHUB_APP_CLIENT_ID",
        "GITHUB_APP_CLIENT_SECRET",
        "GITHUB_WEB_URL",
        "GITHUB_APP_PRIVATE_KEY",
        "GITHUB_APP_WEBHOOK_SECRET",
        "OIDC_ISSUER",
        "OIDC_CLIENT_ID",
        "OIDC_CLIENT_SECRET",
        "OIDC_NAME",
        "OIDC_ONLY",
        "OIDC_DOMAINS",
        "OIDC_GROUPS",
        "OIDC_GROUPS_CLAIM",
        "OIDC_VERIFIED_CLAIM",
        "OIDC_RECHECK_HOURS",
        "REDIS_PASSWORD",
        "PGPASSWORD",
        "FORWARDED_ALLOW_IPS",
        "SITE_URL",
        "PORT",
        "RELEASE",
        "GRIP_URL",
        "SAMPLE_URL",
        "GITHUB_CLIENT_ID",
        "GITHUB_CLIENT_SECRET",
        "SIGN_UP",
        "SIGN_UP_DOMAINS",
    ):
        os.environ.pop(name, None)
    os.environ |= servers.addresses() if os.environ.get("SERVERS") else {}
    _state = tempfile.TemporaryDirectory(prefix="firstlight-tests-", ignore_cleanup_errors=True)
    atexit.register(_state.cleanup)
    os.environ |= {
        "FIRSTLIGHT_TESTS": "1",
        "STATE_DIR": _state.name,
        "DEBUG": "1",
        "FIRSTLIGHT_DOTENV": "0",
    }
    os.environ["FIRSTLIGHT_TESTS_OF"] = os.environ.get("PYTEST_XDIST_WORKER", "")
    # Tests start many processes: compiled modules save each of them a tenth of its
    # start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from project.settings import *  # noqa: F403
from project.settings import DATABASES, INSTALLED_APPS, STATE_DIR

INSTALLED_APPS = [*INSTALLED_APPS, "tests.pipelines.lab"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, where pytest-django would take memory: worker processes of a test read and
    # write the same rows.
    DATABASES["default"]["TEST"] = {"NAME": STATE_DIR / "test.sqlite3"}
# PIPELINES_LEASE=1.5 in a worker's environment is {"lease": 1.5}.
PIPELINES = {
    name.removeprefix("PIPELINES_").lower(): float(value)
    for name, value in os.environ.items()
    if name.startswith("PIPELINES_")
}
