"""Store accounts. People sign in with their email address; there is no user name."""

from typing import Any, ClassVar, cast

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from apps.mail.addresses import address_or_none, normalize_address
from apps.mail.fields import AddressField

# Django finds models in this module alone; those of OIDC are written in another.
from apps.users.oidc_models import OidcSession, RecoveryLink


class UserManager(BaseUserManager["User"]):
    """Create users by email address; a `username` argument is not accepted."""

    def _create(self, email: str, password: str | None, **fields: Any) -> "User":
        user = self.model(email=normalize_address(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a person without staff rights.

        `password` None leaves the account without a usable password.
        """
        return self._create(
            email, password, **{"is_staff": False, "is_superuser": False} | fields
        )

    def create_superuser(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        return self._create(
            email, password, **{"is_staff": True, "is_superuser": True} | fields
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user with this address.

        Raises User.DoesNotExist, also if the text is not an address.
        """
        return self.get(email=address_or_none(username) or "")

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is stored; text that is not an address stays as it
        is, and fails validation.
        """
        return address_or_none(email) or email or ""


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    email = AddressField("email address", unique=True)
    # Part of what sessions are checked by: a new value ends them all. Empty until the
    # first proof of the address.
    session_nonce = models.CharField(
        max_length=20, default="", db_default="", blank=True, editable=False
    )
    # When the person signed up; empty for accounts that the operator made, which are
    # never deleted by themselves.
    signed_up_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[misc,assignment]

    class Meta:
        constraints = [
            # The database also refuses a second account whose address differs only in
            # case.
            models.UniqueConstraint(Lower("email"), name="user_email_unique_without_case"),
        ]

    def __str__(self) -> str:
        return str(self.email)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return Django's hash of the password, or one of password and nonce if there
        is a nonce.
        """
        if not self.session_nonce:
            return cast(str, super()._get_session_auth_hash(secret=secret))  # type: ignore[misc]
        value = f"{self.session_nonce}:{self.password}"
        return salted_hmac(
            "apps.users.session", value, secret=secret, algorithm="sha256"
        ).hexdigest()

    @property
    def display_name(self) -> str:
        return self.get_full_name() or str(self.email).partition("@")[0]

    @property
    def initials(self) -> str:
        """Return one or two letters for the person, like `ML` for Mara Lindqvist or
        mara.lindqvist@example.com.
        """
        words = self.display_name.replace(".", " ").replace("_", " ").replace("-", " ").split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


__all__ = ["OidcSession", "RecoveryLink", "User", "UserManager"]
