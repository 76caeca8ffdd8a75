from django.urls import path

from batch import export_views, views

urlpatterns = [
    path("greeks", views.GreeksView.as_view(), name="batch-greeks"),
    path("jobs", views.JobsView.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>", views.JobView.as_view(), name="job"),
    path("jobs/<uuid:job_id>/results", views.ResultsView.as_view(), name="job-results"),
    path("jobs/<uuid:job_id>/receipt", views.ReceiptView.as_view(), name="job-receipt"),
    path("jobs/<uuid:job_id>/cancel", views.CancelView.as_view(), name="job-cancel"),
    path("jobs/<uuid:job_id>/retry", views.RetryView.as_view(), name="job-retry"),
    path("jobs/<uuid:job_id>/export", export_views.ExportView.as_view(), name="job-export"),
    path("jobs/<uuid:job_id>/errors", export_views.ErrorsView.as_view(), name="job-errors"),
    path("statistics", views.StatisticsView.as_view(), name="batch-statistics"),
]
