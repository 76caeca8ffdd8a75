"""Jobs in the admin. They are read-only; staff may cancel and retry them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from batch.admin_pages import ActionAdmin, ReadOnly
from batch.jobs import services
from batch.jobs.models import Chunk, Job
from batch.tasks import enqueue_chunks, enqueue_job
from batch.webhooks.admin import deliveries_about, may_see_deliveries
from signalsite.foundation.errors import SignalServiceError

REFRESH_SECONDS = 3
LONGEST_SELECTOR = 60  # characters in the list of jobs


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
    list_display = (
        "short_id",
        "kind",
        "state",
        "answers",
        "owner",
        "asked_for",
        "as_of",
        "progress",
        "total",
        "failed",
        "created_at",
        "elapsed",
    )
    list_filter = ("status", "kind", "created_at", ("owner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    search_fields = ("id__exact", "owner__username", "error")
    search_help_text = "A job's whole id, its owner's name, or words of its error"
    fields = (
        ("kind", "state", "owner"),
        "answers",
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
        css = {"all": ["batch/chunks.css", "signalsite/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("context")

    def get_fields(self, request: HttpRequest, obj: Job | None = None) -> Any:
        shows_webhooks = obj is not None and obj.webhook_url and may_see_deliveries(request)
        return (*self.fields, "webhooks") if shows_webhooks else self.fields

    @admin.display(description="webhooks")
    def webhooks(self, job: Job) -> SafeString:
        return deliveries_about(job)

    def get_inlines(self, request: HttpRequest, obj: Job | None) -> list[type[admin.options.InlineModelAdmin]]:
        reused = obj is not None and obj.reused_from_id is not None
        return [] if reused else [ChunkInline]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """While the job runs, the browser asks for its page again: by a header, since pages have no inline scripts."""
        response: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
        job = getattr(response, "context_data", {}).get("original")
        if isinstance(job, Job) and job.status not in Job.TERMINAL:
            response["Refresh"] = str(REFRESH_SECONDS)
        return response

    @admin.display(description="job")
    def short_id(self, job: Job) -> SafeString:
        return format_html('<span title="{}">{}</span>', job.pk, str(job.pk)[:8])

    @admin.display(description="state", ordering="status")
    def state(self, job: Job) -> SafeString:
        return format_html('<span class="state {}">{}</span>', job.status, job.get_status_display())

    @admin.display(description="asked for")
    def asked_for(self, job: Job) -> SafeString | str:
        if job.reused_from_id is not None:
            return format_html("answers of job {}", str(job.reused_from_id)[:8])
        if job.selector is None:
            return "a list of items"
        text = in_words(job.selector)
        return format_html('<span title="{}">{}</span>', text, Truncator(text).chars(LONGEST_SELECTOR))

    @admin.display(description="answers")
    def answers(self, job: Job) -> SafeString | str:
        if job.status not in Job.TERMINAL or not job.total:
            return ""
        results, export = (reverse(name, args=[job.pk]) for name in ("job-results", "job-export"))
        links = [(results, "results"), *((f"{export}?format={name}", name) for name in ("csv", "parquet"))]
        return format_html_join(" ", '<a href="{}">{}</a>', links)

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
        if job.reused_from_id is not None:
            earlier = job.reused_from_id
            page = reverse("admin:batch_job_change", args=[earlier])
            return format_html('Nothing was computed: <a href="{}">job {}</a> had the same answers.', page, earlier)
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


def in_words(selector: Any) -> str:
    """`underlying SIM@NIFTY, moneyness 0.95 to 1.05`; the underlying first, whatever order PostgreSQL keeps.

    A stored value of another shape, or one that cannot be read, is shown as its text.
    """
    if not isinstance(selector, Mapping):
        return str(selector)
    names = sorted(selector, key=lambda name: (name != "underlying", name))
    return ", ".join(f"{name} {_value(selector[name])}" for name in names if selector[name] is not None)


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and value.keys() <= {"min", "max"}:
        return " ".join(f"{word} {value[name]}" for name, word in (("min", "from"), ("max", "to")) if name in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_value(inner)}" for name, inner in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


class AlreadyEnded(SignalServiceError):
    """An ended job cannot be cancelled."""
