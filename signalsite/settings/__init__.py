"""Django's settings: one module for each theme, all read from the environment.

A wrong value stops the process with a message that names the variable. docs/settings.md lists every variable. When
DATABASE_URL and REDIS_URL are unset, the settings point to the project's own servers (`signalsite.embedded`). Importing
them starts no process and opens no connection.
"""

from django.core.exceptions import ImproperlyConfigured
from environs import EnvError

try:
    from .apps import *
    from .bars import *
    from .batch import *
    from .configs import *
    from .environment import *
    from .functions import *
    from .instruments import *
    from .logs import *
    from .realtime import *
    from .security import *
    from .storage import *
    from .tasks import *
    from .web import *
except EnvError as error:
    raise ImproperlyConfigured(f"environment: {error}") from error
