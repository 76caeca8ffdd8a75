from typing import Any

from django.contrib.admin import autodiscover, checks
from django.contrib.admin.apps import SimpleAdminConfig
from django.core.checks import CheckMessage, Tags, register


class SiteConfig(SimpleAdminConfig):
    """The admin's pages are found when URLs or checks need them: loading them takes half of a command's start."""

    default_site = "signalsite.accounts.admin_site.Site"

    def ready(self) -> None:
        register(checks.check_dependencies, Tags.admin)
        register(check_admin, Tags.admin)


def check_admin(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    autodiscover()
    return checks.check_admin_app(app_configs, **kwargs)
