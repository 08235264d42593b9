"""One request to any server that speaks OpenAI's API: its answer with what it cost, or one typed error."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import openai
from django.conf import settings
from django.utils import timezone

from apps.metrics.llm.answers import schema

TIMEOUT = 60.0
# A minute's limit is over in a minute.
DEFAULT_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=1)
# Of one pull request's answer, with some room.
TOKENS_A_PULL = 160


class Unusable(Exception):
    """The server did not answer, or not with an answer; asking again may help."""


class Refused(Exception):
    """The server refuses what we are or ask for; asking again does not help. The message says what to do."""


class Limited(Exception):
    """A limit is reached until `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("The language model asks to slow down.")
        self.until = until


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer's text and its cost in tokens. `tokens_a_minute` is the limit that the server told, if it did."""

    text: str
    tokens_in: int
    tokens_out: int
    tokens_a_minute: int | None


def is_configured() -> bool:
    """Whether there is a model to ask: a key, or a server of one's own."""
    return bool(settings.GROQ_API_KEY or settings.LLM_BASE_URL_GIVEN)


class LlmClient:
    """Thread-safe. It retries nothing and sleeps never."""

    def __init__(self) -> None:
        self.model = settings.LLM_MODEL
        self._openai = openai.OpenAI(
            base_url=settings.LLM_BASE_URL, api_key=settings.GROQ_API_KEY or "none", timeout=TIMEOUT, max_retries=0
        )

    def close(self) -> None:
        self._openai.close()

    def ask(self, messages: list[dict[str, str]], pulls: int) -> Reply:
        """About so many pull requests. Raises as `send`."""
        return self.send(messages, "pull_requests", schema(), TOKENS_A_PULL * pulls + 200)

    def send(self, messages: list[dict[str, str]], name: str, form: dict[str, Any], most_tokens: int) -> Reply:
        """An answer of a form, a JSON schema. Raises Unusable, Refused or Limited."""
        request: Any = {
            "model": self.model, "messages": messages, "temperature": 0, "max_tokens": most_tokens,
            "response_format": {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": form}},
        }  # fmt: skip
        try:
            raw = self._openai.chat.completions.with_raw_response.create(**request)
            answer = raw.parse()
            usage, choices = answer.usage, answer.choices
            text = choices[0].message.content or "" if choices else ""
        except openai.RateLimitError as error:
            raise Limited(_until(error.response.headers)) from None
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise Refused(
                f"The language model's server refuses the request (HTTP {error.status_code}). Check GROQ_API_KEY, "
                "LLM_BASE_URL and LLM_MODEL."
            ) from None
        except openai.BadRequestError as error:
            raise Refused(f"The language model's server cannot use the request: {str(error)[:200]}") from None
        except openai.APITimeoutError:
            raise Unusable("it did not answer in time") from None
        except openai.APIStatusError as error:
            raise Unusable(f"it answered with HTTP {error.status_code}") from None
        except (openai.APIConnectionError, openai.APIResponseValidationError):
            raise Unusable("the connection broke off") from None
        except (ValueError, AttributeError, TypeError, IndexError):
            raise Unusable("its answer is broken or cut off") from None
        limit = raw.headers.get("x-ratelimit-limit-tokens", "")
        return Reply(
            text=text,
            tokens_in=usage.prompt_tokens if usage else 0,
            tokens_out=usage.completion_tokens if usage else 0,
            tokens_a_minute=int(limit) if limit.isdecimal() and 0 < int(limit) < 2**31 else None,
        )


def _until(headers: Any) -> datetime:
    try:
        wait = timedelta(seconds=float(headers.get("retry-after", "")))
    except ValueError:
        wait = DEFAULT_WAIT
    return timezone.now() + min(max(wait, timedelta(seconds=0.5)), LONGEST_WAIT)
