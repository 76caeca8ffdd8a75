"""SESSION_ENGINE: Django's sessions in PostgreSQL, with keys of the one form that Django makes.

Django looks up any text of eight characters and more. A NUL among them, which a cookie can hide behind a backslash, is
an error of PostgreSQL and not a session that does not exist.
"""

import re
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

_KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(DatabaseStore):
    def _validate_session_key(self, key: Any) -> bool:
        return isinstance(key, str) and _KEY.fullmatch(key) is not None
