"""Jobs in the admin. They are read-only; staff may cancel and retry them."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from batch.admin_pages import ActionAdmin, ReadOnly
from batch.jobs import services
from batch.jobs.models import Chunk, Job
from batch.tasks import enqueue_chunks, enqueue_job
from batch.webhooks.admin import deliveries_about, may_see_deliveries
from signalsite.foundation.errors import SignalServiceError


class ChunkInline(ReadOnly, admin.TabularInline):
    model = Chunk
    fields = (
        "number",
        "first_position",
        "size",
        "status",
        "attempt",
        "task",
        "worker",
        "finished_at",
        "completed",
        "failed",
    )
    readonly_fields = ("task",)
    ordering = ("number",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chunk]:
        return super().get_queryset(request).defer("item_block", "answer_block")

    @admin.display(description="task in Flower")
    def task(self, chunk: Chunk) -> SafeString | str:
        if not chunk.task_id or not settings.FLOWER_URL:
            return chunk.task_id
        return format_html('<a href="{}/task/{}">{}</a>', settings.FLOWER_URL, chunk.task_id, chunk.task_id[:8])


@admin.register(Job)
class JobAdmin(ActionAdmin):
    list_display = ("id", "kind", "status", "owner", "progress", "total", "failed", "created_at", "elapsed")
    list_filter = ("status", "kind", "created_at", ("owner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    search_fields = ("id__exact", "owner__username", "error")
    search_help_text = "A job's whole id, its owner's name, or words of its error"
    fields = (
        ("kind", "status", "owner"),
        ("progress", "total", "completed", "failed"),
        "chunk_grid",
        ("as_of", "created_at", "started_at", "finished_at", "elapsed"),
        "params",
        "selector",
        ("retry_of", "reused_from"),
        "error",
    )
    inlines = (ChunkInline,)
    actions = ("cancel", "retry")

    class Media:
        css = {"all": ["batch/chunks.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("context")

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> Any:
        shows_webhooks = obj is not None and obj.webhook_url and may_see_deliveries(request)
        return (*self.fields, "webhooks") if shows_webhooks else self.fields

    @admin.display(description="webhooks")
    def webhooks(self, job: Job) -> SafeString:
        return deliveries_about(job)

    @admin.display(description="progress")
    def progress(self, job: Job) -> SafeString:
        answered = job.completed + job.failed
        return format_html(
            '<progress value="{}" max="{}" title="{} of {}"></progress>',
            answered,
            max(job.total, 1),
            answered,
            job.total,
        )

    @admin.display(description="chunks")
    def chunk_grid(self, job: Job) -> SafeString:
        """Show a square for each chunk, in the order of the request, with a summary as its title."""
        squares = (
            (status, f"chunk {number}: {status}, attempt {attempt}, {failed} of {size} failed")
            for number, status, attempt, size, failed in job.chunks.order_by("number").values_list(
                "number", "status", "attempt", "size", "failed"
            )
        )
        return format_html_join("", '<span class="chunk {}" title="{}"></span>', squares)

    @admin.display(description="seconds")
    def elapsed(self, job: Job) -> str:
        return f"{(job.finished_at - job.created_at).total_seconds():.3f}" if job.finished_at else ""

    @admin.action(description="Cancel the selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        seconds = services.CLOSE_SECONDS / max(jobs.count(), 1)

        def stop(job: Job) -> None:
            if job.status in Job.TERMINAL:
                raise AlreadyEnded(f"job {job.pk} had ended already and stays as it is")
            enqueue_chunks(services.cancel(job, seconds=seconds))

        self.act_on_each(request, jobs, stop, "Cancelled.", "job(s) are being cancelled")

    @admin.action(description="Try the failed items of the selected jobs again", permissions=["operate"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        def again(job: Job) -> None:
            enqueue_job(services.retry(job).pk)

        self.act_on_each(request, jobs, again, "Retried.", "job(s) are tried again as new jobs")


class AlreadyEnded(SignalServiceError):
    """An ended job cannot be cancelled."""
