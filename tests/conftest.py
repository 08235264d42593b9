"""Shared fixtures. Before Django's settings load, the environment is put in order: a STATE_DIR of this session's own,
DEBUG on, and neither the developer's `.env` nor exported settings. (pytest-django would load settings named in
pyproject.toml before this file.)"""

import os
import tempfile

SETTINGS = (
    "SECRET_KEY ALLOWED_HOSTS DATABASE_URL REDIS_URL EMAIL_URL DEFAULT_FROM_EMAIL ADMINS CREDENTIAL_KEYS GITHUB_API_URL "
    "GITHUB_TOKEN GIT_SOURCE_ROOT GROQ_API_KEY LLM_BASE_URL LLM_MODEL SITE_URL PORT"
).split()

for name in SETTINGS:
    os.environ.pop(name, None)
_state = tempfile.TemporaryDirectory(prefix="firstlight-tests-", ignore_cleanup_errors=True)
os.environ |= {"STATE_DIR": _state.name, "DEBUG": "1", "FIRSTLIGHT_DOTENV": "0", "DJANGO_SETTINGS_MODULE": "project.settings"}
