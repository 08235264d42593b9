"""All settings, from the environment and from `.env` beside manage.py; `.env.example`
explains each variable.

With DEBUG off, which is the default, every setting that protects users is required: a
start without it ends with a line for each variable that is missing or wrong. With DEBUG
on, nothing is required: keys are created once in STATE_DIR.
"""

import base64
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django_stubs_ext
from django.utils.csp import CSP
from huey.serializer import SignedSerializer

from project import error_reports, llm_settings, oidc_settings, release
from project.env import Env, read
from project.logs import settings_for
from project.state import tighten

django_stubs_ext.monkeypatch()  # lets classes of Django's be subscripted, as in ModelAdmin[Run]

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(read(BASE_DIR / ".env"))

# The folder for what this installation creates itself: database, message queue, and
# keys.

DEBUG = env.boolean("DEBUG")
STATE_DIR = env.folder("STATE_DIR", BASE_DIR, ".state") or BASE_DIR
try:
    STATE_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    env.reject("STATE_DIR", f"a folder that can be made and written to ({error.strerror})")

# Secrets

if DEBUG and not env.text("SECRET_KEY"):
    SECRET_KEY = env.kept_secret(STATE_DIR / "secret_key", lambda: secrets.token_urlsafe(50))
else:
    SECRET_KEY = env.required(
        "SECRET_KEY", "a long random text, kept secret (with DEBUG=1, one is made)"
    )
    if not DEBUG and SECRET_KEY and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5):
        env.reject("SECRET_KEY", "at least 50 characters, at random", secret=True)

# Encrypts credentials in the database. The first key encrypts; the others still
# decrypt, so that keys can be changed.
CREDENTIAL_KEYS = env.fernet_keys(
    "CREDENTIAL_KEYS",
    [
        env.kept_secret(
            STATE_DIR / "credential_key",
            lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
        )
    ]
    if DEBUG and not env.text("CREDENTIAL_KEYS")
    else [],
)

# Addresses

PORT = env.port("PORT", 8000)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
if not ALLOWED_HOSTS:
    env.reject(
        "ALLOWED_HOSTS", "the host names that this site answers to, like app.example.com"
    )
PUBLIC_HOST = next((host for host in ALLOWED_HOSTS if host[0] not in ".*"), "")
SITE_URL = env.web_url(
    "SITE_URL",
    f"http://localhost:{PORT}" if DEBUG else PUBLIC_HOST and f"https://{PUBLIC_HOST}",
    bare=True,
)
if ALLOWED_HOSTS and not SITE_URL:
    env.reject(
        "SITE_URL", "the address that links in mails start with, like https://app.example.com"
    )

# Applications

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "django_htmx",
    "apps.pipelines",
    "apps.mail",
    "apps.users",
    "apps.teams",
    "apps.metrics",
    "apps.integrations",
    "apps.onboarding",
    "apps.analytics",
    "project",  # for its commands
]
if DEBUG:
    INSTALLED_APPS.append("apps.sandbox")

MIDDLEWARE = [
    "project.probes.ProbeMiddleware",
    "project.request_metrics.RequestMetricsMiddleware",
    "project.input.InputMiddleware",
    "project.proxies.ProxyCheckMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "project.static.StaticFilesMiddleware",
    "project.compression.CompressionMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "project.caching.CachingMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "apps.users.oidc.middleware.OidcMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "project.outages.DatabaseOutageMiddleware",
    "apps.users.middleware.ProofMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.users.oidc.context.oidc",
                "project.context.state",
            ],
            "builtins": ["project.times"],
        },
    },
]

# Rows: one SQLite file, or PostgreSQL

DATABASES = {"default": env.database("DATABASE_URL", STATE_DIR / "db.sqlite3")}

# Messages and cache: one SQLite file and the process's own memory, or Redis

REDIS_URL = env.redis_url("REDIS_URL", env.text("REDIS_PASSWORD"))
HUEY: dict[str, Any] = {
    "huey_class": f"apps.pipelines.worker.queues.{'Redis' if REDIS_URL else 'Sqlite'}LaneHuey",
    "name": "firstlight",
    "immediate": False,
    "results": False,  # rows are the truth; a result in the queue would be a second one
    "store_none": False,
    "queues": ("sync", "llm", "compute", "email"),
    "connection": {"url": REDIS_URL}
    if REDIS_URL
    else {"filename": str(STATE_DIR / "queue.sqlite3")},
    # Messages are pickles: without a signature, write access to the queue would run
    # code in every worker.
    "serializer": SignedSerializer(secret=SECRET_KEY or "-", salt="apps.pipelines.queue"),
}
# How many seconds a unit of work may take without a sign of progress before its process
# is ended from outside; 0 means no limit.
PIPELINES = {"unit_limit": float(env.number("UNIT_LIMIT", 120, 0, 86_400))}
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "apps.caches.FallbackRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"serializer": "project.json_serializer.JsonSerializer"},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# Files that an earlier release or another program left readable by others

tighten(STATE_DIR, DATABASES["default"], HUEY["connection"])

# The live stream. EVENTSTREAM_REDIS stays unset: it would start a second subscriber
# without supervision.

EVENTSTREAM_CHANNELMANAGER_CLASS = "apps.pipelines.stream.gate.RunChannels"
EVENTSTREAM_STORAGE_CLASS = "apps.pipelines.stream.grip.RunLog"
GRIP_URL = env.text("GRIP_URL")
if GRIP_URL:
    MIDDLEWARE.insert(1, "django_grip.GripMiddleware")
    if not {"iss", "key"} <= parse_qs(urlsplit(GRIP_URL).query).keys():
        env.reject(
            "GRIP_URL",
            "a proxy's control address like http://localhost:5561/?iss=name&key=secret",
            secret=True,
        )

# Accounts: people sign in with their mail address

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
ACCOUNT_ADAPTER = "apps.users.adapter.AccountAdapter"  # its mails go through the outbox
SOCIALACCOUNT_ADAPTER = "apps.users.adapter.SocialAccountAdapter"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "onboarding:home"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {
    "login": "apps.users.forms.SignInForm",
    "signup": "apps.users.forms.SignUpForm",
    "add_email": "apps.users.forms.ChangeAddressForm",
    "reset_password": "apps.users.forms.ResetForm",
}
SOCIALACCOUNT_FORMS = {"signup": "apps.users.forms.ProviderForm"}
# No session before the address is proven: docs/decisions/0013-proof-before-rights.md.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CHANGE_EMAIL = True  # an account has one address
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # only in the browser that signed up
ACCOUNT_LOGIN_ON_PASSWORD_RESET = True
ACCOUNT_PREVENT_ENUMERATION = True  # sign-up and reset answer alike for every address
# How many attempts in which time, by IP address (IPv6: by /64), account, or signed-in
# user, in addition to allauth's defaults.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,10/5m/key",  # the key is account and IP address
    "login_failed_account": "100/h/key",  # from all addresses, except in browsers that signed in before
    "confirm_email": "3/10m/key",  # emails with a confirmation link to one address
    "confirm_email_link": "20/m/ip",
    "accept_invitation": "20/m/ip",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # when a password, an address, or a second factor changes
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(SITE_URL).scheme or "https"
# Who may create an account: `apps/users/sign_up.py`.
SIGN_UP = env.choice("SIGN_UP", "open" if DEBUG else "invite", ("open", "invite", "closed"))
SIGN_UP_DOMAINS = env.domains("SIGN_UP_DOMAINS")
# How many teams one account may own.
TEAMS_PER_ACCOUNT = env.number("TEAMS_PER_ACCOUNT", 10, 1, 100_000)
MFA_ADAPTER = "apps.users.mfa.MFAAdapter"  # secrets are encrypted with CREDENTIAL_KEYS
MFA_FORMS = {
    "authenticate": "apps.users.mfa_forms.SecondStepForm",
    "reauthenticate": "apps.users.mfa_forms.ConfirmForm",
    "activate_totp": "apps.users.mfa_forms.ActivateAppForm",
}
MFA_TOTP_ISSUER = "Firstlight"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]

# Mail. Without an EMAIL_URL, emails stay in the outbox's rows and can be read there.

_mailer = env.mailer("EMAIL_URL", required=not DEBUG)
EMAIL_CONFIGURED = _mailer is not None
MAILERS = {"default": _mailer or {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
DEFAULT_FROM_EMAIL = env.address(
    "DEFAULT_FROM_EMAIL", f"Firstlight <firstlight@{PUBLIC_HOST or 'localhost'}>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_SUBJECT_PREFIX = "[Firstlight] "
ADMINS = env.people("ADMINS")

# Sources of pull requests

GITHUB_API_URL = env.web_url("GITHUB_API_URL", "https://api.github.com")
GITHUB_TOKEN = env.token("GITHUB_TOKEN")
SAMPLE_URL = env.web_url(
    "SAMPLE_URL", ""
)  # a sandbox that serves the sample organization; empty: it is not offered
GIT_SOURCE_ROOT = env.folder(
    "GIT_SOURCE_ROOT", BASE_DIR, ""
)  # None: clones are not read at all
if GIT_SOURCE_ROOT and not GIT_SOURCE_ROOT.is_dir():
    env.reject("GIT_SOURCE_ROOT", "an existing folder")
HISTORICAL_SYNC_CONFIG = {
    "HISTORY_MONTHS": 12,
    "LLM_BATCH_SIZE": 100,
    "LLM_NIGHTLY_SIZE": 1000,
    "GRAPHQL_PAGE_SIZE": 25,
}

# Signing in with GitHub: an OAuth app there, or not offered. Enterprise Server has
# pages and API on one host

GITHUB_ENTERPRISE_URL = (
    GITHUB_API_URL.removesuffix("/api/v3") if GITHUB_API_URL.endswith("/api/v3") else ""
)
GITHUB_CLIENT_ID = env.token("GITHUB_CLIENT_ID")
GITHUB_CLIENT_SECRET = env.token("GITHUB_CLIENT_SECRET")
if GITHUB_CLIENT_ID and not GITHUB_CLIENT_SECRET:
    env.reject(
        "GITHUB_CLIENT_SECRET", "the secret that belongs to GITHUB_CLIENT_ID", secret=True
    )
if GITHUB_CLIENT_SECRET and not GITHUB_CLIENT_ID:
    env.reject("GITHUB_CLIENT_ID", "the client ID that belongs to GITHUB_CLIENT_SECRET")
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {"github": {}}
# Reading through a GitHub App: all of these, or it is not offered
GITHUB_WEB_URL = env.web_url("GITHUB_WEB_URL", GITHUB_ENTERPRISE_URL or "https://github.com")
GITHUB_APP_ID, GITHUB_APP_SLUG = env.token("GITHUB_APP_ID"), env.token("GITHUB_APP_SLUG")
GITHUB_APP_CLIENT_ID = env.token("GITHUB_APP_CLIENT_ID")
GITHUB_APP_CLIENT_SECRET = env.token("GITHUB_APP_CLIENT_SECRET")
GITHUB_APP_PRIVATE_KEY = env.private_key("GITHUB_APP_PRIVATE_KEY", BASE_DIR)
GITHUB_APP_WEBHOOK_SECRET = env.text("GITHUB_APP_WEBHOOK_SECRET")
env.all_or_none(
    "GITHUB_APP_ID",
    "GITHUB_APP_SLUG",
    "GITHUB_APP_CLIENT_ID",
    "GITHUB_APP_CLIENT_SECRET",
    "GITHUB_APP_PRIVATE_KEY",
)
if GITHUB_ENTERPRISE_URL:
    SOCIALACCOUNT_PROVIDERS["github"]["GITHUB_URL"] = GITHUB_ENTERPRISE_URL
if GITHUB_CLIENT_ID:
    SOCIALACCOUNT_PROVIDERS["github"]["APPS"] = [
        {"client_id": GITHUB_CLIENT_ID, "secret": GITHUB_CLIENT_SECRET, "key": ""}
    ]

# Signing in through an organization's OpenID Connect provider (see docs/operations.md),
# or not offered

OIDC_ISSUER = oidc_settings.issuer(env)
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("OIDC_NAME", "single sign-on")
OIDC_ONLY = oidc_settings.only(env)
OIDC_DOMAINS = env.domains("OIDC_DOMAINS")
OIDC_GROUPS = oidc_settings.groups(env)
OIDC_GROUPS_CLAIM = env.text("OIDC_GROUPS_CLAIM", "groups")
OIDC_VERIFIED_CLAIM = env.text("OIDC_VERIFIED_CLAIM", "email_verified")
OIDC_RECHECK_HOURS = env.number("OIDC_RECHECK_HOURS", 4, 1, oidc_settings.MAX_RECHECK_HOURS)
ACCOUNT_RATE_LIMITS |= {"oidc_start": "30/m/ip"}
SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
    "provider_class": "apps.users.oidc.provider.Provider"
}

# Language model

GROQ_API_KEY = llm_settings.key(env)
LLM_BASE_URL = env.web_url("LLM_BASE_URL", "https://api.groq.com/openai/v1").removesuffix(
    "/chat/completions"
)
# A server of the operator's own needs no key.
LLM_BASE_URL_GIVEN = bool(env.text("LLM_BASE_URL"))
LLM_MODEL = llm_settings.model(env, "openai/gpt-oss-20b")
llm_settings.check_certificates(env)
LLM_REQUESTS_A_MINUTE = env.number("LLM_REQUESTS_A_MINUTE", 30, 1, 100_000)
# Used until the server returns its own limit.
LLM_TOKENS_A_MINUTE = env.number("LLM_TOKENS_A_MINUTE", 100_000, 1_000, 1_000_000_000)
LLM_MONTHLY_TOKENS = env.number("LLM_MONTHLY_TOKENS", 2_000_000, 0, 2_000_000_000)
# Seconds that a run waits for the model; what is left then is read in the background.
LLM_PATIENCE = env.number("LLM_PATIENCE", 120, 1, 3600)
# Of all teams together; 0 turns the model off.
LLM_INSTALLATION_MONTHLY_TOKENS = env.number(
    "LLM_INSTALLATION_MONTHLY_TOKENS", 10 * LLM_MONTHLY_TOKENS, 0, 1_000_000_000_000
)

# Security. An explicit http:// SITE_URL is for a closed network: nothing can be forced
# onto TLS there. Behind a proxy, uvicorn takes scheme and visitor from the
# X-Forwarded-* headers of these hosts.

FORWARDED_ALLOW_IPS = env.proxies(
    "FORWARDED_ALLOW_IPS", ["127.0.0.1", "::1"], all_allowed=DEBUG
)
HTTPS = SITE_URL.startswith("https://")
SECURE_SSL_REDIRECT = HTTPS and not DEBUG
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS and not DEBUG else 0
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL else []
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    # These two checks ask that every host below this one has TLS, and that browsers
    # remember that for good. The domain's owner decides that, not one application on
    # it.
    "security.W005",
    "security.W021",
]
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    # signing in with GitHub and installing its app redirect a form there
    "form-action": [CSP.SELF, GITHUB_WEB_URL],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

# Bodies. `project/server/limits.py` limits them by address before Django reads them;
# nothing is written to a file but large deliveries, and no page takes files.

DATA_UPLOAD_MAX_MEMORY_SIZE = 26 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["project.input.RefuseFiles"]

# Time, language

TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"

# Static files, those of npm packages below `vendor/`

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
NPM = BASE_DIR / "node_modules"
STATICFILES_DIRS: list[tuple[str, Path]] = [
    (prefix, folder)
    for prefix, folder in (
        ("", BASE_DIR / "static"),
        ("vendor/htmx", NPM / "htmx.org" / "dist"),
        ("vendor/inter", NPM / "@fontsource-variable" / "inter" / "files"),
        ("vendor/jetbrains-mono", NPM / "@fontsource-variable" / "jetbrains-mono" / "files"),
    )
    if folder.is_dir()
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
if DEBUG:
    STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns of a missing one

# Operations

LOGGING = settings_for(debug=DEBUG)
METRICS_TOKEN = env.token("METRICS_TOKEN")
RELEASE = release.current(BASE_DIR, env.text("RELEASE"))[:60]
SENTRY_DSN = env.web_url("SENTRY_DSN", "")
if SENTRY_DSN and not error_reports.start(SENTRY_DSN, RELEASE):
    env.reject(
        "SENTRY_DSN",
        "the DSN as Sentry shows it, like https://key@sentry.example.com/1",
        secret=True,
    )

env.finish()
