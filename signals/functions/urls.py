"""Addresses of functions."""

from django.urls import URLPattern, path

from signals.functions import views
from signals.functions.dry_runs import ReadStored
from signalsite.foundation.bodies import accepts

UPLOAD_BYTES = 512 << 10  # JSON writes a character of a source in six bytes at most
DRY_RUN_BYTES = 4 << 20


def function_urls(read_stored: ReadStored) -> list[URLPattern]:
    """`read_stored`: reads what a dry run on a stored instrument sees."""
    dry_run = views.DryRunView.as_view(read_stored=staticmethod(read_stored))
    return [
        path("functions", accepts(views.FunctionsView.as_view(), UPLOAD_BYTES), name="functions"),
        path("functions/internal", views.InternalFunctionsView.as_view(), name="internal-functions"),
        path("functions/dry_run", accepts(dry_run, DRY_RUN_BYTES), name="function-dry-run"),
        path("functions/runs", views.RunsView.as_view(), name="function-runs"),
        path("functions/<str:name>", views.FunctionView.as_view(), name="function"),
        path(
            "functions/<str:name>/versions",
            accepts(views.VersionsView.as_view(), UPLOAD_BYTES),
            name="function-versions",
        ),
        path("functions/<str:name>/versions/<int:number>", views.VersionView.as_view(), name="function-version"),
    ]
