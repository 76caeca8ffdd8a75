"""Addresses of runs and results of configurations."""

from django.urls import path

from batch.configs import views

config_run_urls = [
    path("configs/<uuid:config_id>/runs", views.ConfigurationRunsView.as_view(), name="configuration-runs"),
    path("configs/<uuid:config_id>/results", views.ConfigurationResultsView.as_view(), name="configuration-results"),
    path("configs/<uuid:config_id>/run", views.RunNowView.as_view(), name="configuration-run"),
]
