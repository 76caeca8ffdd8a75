"""Addresses of configurations. Their runs and results are in the app that runs them."""

from django.conf import settings
from django.urls import path

from signals.configs import version_views, views
from signalsite.foundation.bodies import accepts

BODY_BYTES = 4 * settings.CONFIG_MAX_BYTES  # JSON writes a character in six bytes at most, and people indent it

config_urls = [
    path("configs", accepts(views.ConfigurationsView.as_view(), BODY_BYTES), name="configurations"),
    path("configs/validate", accepts(views.ValidateView.as_view(), BODY_BYTES), name="configuration-validate"),
    path("configs/<uuid:config_id>", accepts(views.ConfigurationView.as_view(), BODY_BYTES), name="configuration"),
    path("configs/<uuid:config_id>/pause", views.PauseView.as_view(), name="configuration-pause"),
    path("configs/<uuid:config_id>/resume", views.ResumeView.as_view(), name="configuration-resume"),
    path("configs/<uuid:config_id>/versions", version_views.VersionsView.as_view(), name="configuration-versions"),
    path(
        "configs/<uuid:config_id>/versions/<int:number>",
        version_views.VersionView.as_view(),
        name="configuration-version",
    ),
    path(
        "configs/<uuid:config_id>/difference", version_views.DifferenceView.as_view(), name="configuration-difference"
    ),
]
