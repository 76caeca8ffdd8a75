"""An account for a newcomer: on one's own machine there is one to sign in with as soon as the service runs."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from signalsite.embedded import state as places

NAME = "admin"
CREATE = "python manage.py createsuperuser"


@dataclass(frozen=True, slots=True)
class FirstAccount:
    name: str
    password: str
    file: Path  # where the password is kept, mode 0600


def make_first_account() -> FirstAccount | None:
    """Make a superuser with a random password when the service has no account at all.

    Only in development and on the project's own database, which nobody reaches over a network. Returns None where there
    is an account already, and elsewhere: there the operator runs `createsuperuser`.
    """
    users = get_user_model().objects
    if not settings.DEVELOPMENT or not places.embeds_postgres() or users.exists():
        return None
    password = places.secret(places.state_dir(), f"{NAME}_password", nbytes=12)
    try:
        with transaction.atomic():
            users.create_superuser(NAME, password=password)
    except IntegrityError:  # another `up` has just made it
        return None
    return FirstAccount(NAME, password, _password_file())


def how_to_sign_in(made: FirstAccount | None, address: str) -> str:
    """What `manage.py up` says about accounts."""
    if made is not None:
        return f"admin: {address}admin/ (user {made.name}, password {made.password}, kept in {made.file})"
    if not get_user_model().objects.filter(is_active=True, is_superuser=True).exists():
        return f"admin: {address}admin/ (there is no account for it: {CREATE})"
    hint = f"the first password is in {_password_file()}" if _password_file().is_file() else f"{CREATE} adds an account"
    return f"admin: {address}admin/ ({hint})"


def _password_file() -> Path:
    return places.state_dir() / "secrets" / f"{NAME}_password"
