"""The settings of the language model. They are checked at the start, so that a mistake
is reported in one sentence and not after minutes of attempts.
"""

import os
import ssl
from pathlib import Path

from project.env import Env, is_header

EXPECTED_KEY = (
    "the key as your provider shows it: letters, digits, and signs of ASCII, without blanks"
)
EXPECTED_FILE = "the path of a readable file with certificates in PEM, or nothing"
EXPECTED_FOLDER = "the path of a folder with certificates, or nothing"


def key(env: Env) -> str:
    """Return the key for the model's server."""
    value = env.text("GROQ_API_KEY")
    if not is_header(value):
        env.reject("GROQ_API_KEY", EXPECTED_KEY, secret=True)
        return ""
    return value


def model(env: Env, default: str) -> str:
    """Return the name of the model."""
    value = env.text("LLM_MODEL", default)
    if not value.isprintable() or len(value) > 200:
        env.reject("LLM_MODEL", "the name of a model as its server lists it, in one line")
        return default
    return value


def check_certificates(env: Env) -> None:
    """Record a certificate file or folder that Python could not read at the first
    request to a server.
    """
    file, folder = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    if file:
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ValueError):
            env.reject("SSL_CERT_FILE", EXPECTED_FILE)
    if folder and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        env.reject("SSL_CERT_DIR", EXPECTED_FOLDER)
