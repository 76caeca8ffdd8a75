"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

from signalsite.startup import read_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
read_settings()
application = get_wsgi_application()

from moneyness.core.warm import warm  # noqa: E402 - after the settings, which set where kernels are cached
from signalsite import metrics  # noqa: E402 - after the apps

metrics.register()
warm()  # so that no request waits for compilation
