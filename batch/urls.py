"""The addresses of the batch API."""

from django.conf import settings
from django.urls import path

from batch.exports import views as export_views
from batch.jobs import result_views, views
from batch.jobs.computation_views import computation_view
from signalsite.foundation.bodies import accepts
from signalsite.foundation.computations.registry import BadDeclaration, computations

if taken := {"jobs", "statistics"} & set(computations()):
    raise BadDeclaration(f"a computation cannot be named {', '.join(taken)}: that address is the batch API's own")

urlpatterns = [
    path("jobs", accepts(views.JobsView.as_view(), settings.BATCH_MAX_BODY_BYTES), name="jobs"),
    path("jobs/<uuid:job_id>", views.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/results", result_views.ResultsView.as_view(), name="job-results"),
    path("jobs/<uuid:job_id>/receipt", result_views.ReceiptView.as_view(), name="job-receipt"),
    path("jobs/<uuid:job_id>/cancel", views.CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/retry", views.RetryView.as_view(), name="job-retry"),
    path("jobs/<uuid:job_id>/export", export_views.ExportView.as_view(), name="job-export"),
    path("jobs/<uuid:job_id>/errors", export_views.ErrorsView.as_view(), name="job-errors"),
    path("statistics", views.StatisticsView.as_view(), name="batch-statistics"),
    *(
        path(name, accepts(computation_view(each).as_view(), settings.BATCH_MAX_BODY_BYTES), name=f"batch-{name}")
        for name, each in computations().items()
    ),
]
