"""Jobs as staff see them: computed by the service, so read-only but for cancelling."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from batch import services
from batch.models import Chunk, Job
from batch.tasks import ring_chunks


class ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class ChunkInline(ReadOnly, admin.TabularInline):
    model = Chunk
    fields = (
        "number",
        "first_position",
        "size",
        "status",
        "attempt",
        "worker",
        "started_at",
        "finished_at",
        "completed",
        "failed",
    )
    ordering = ("number",)


@admin.register(Job)
class JobAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "id",
        "kind",
        "status",
        "owner",
        "progress",
        "total",
        "completed",
        "failed",
        "as_of",
        "created_at",
        "elapsed",
    )
    list_filter = ("status", "kind", "created_at", ("owner", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    search_fields = ("id__exact", "owner__username", "error")
    search_help_text = "A job's whole id, its owner's name, or words of its error"
    fields = (
        ("kind", "status", "owner"),
        ("progress", "total", "completed", "failed"),
        ("as_of", "created_at", "started_at", "finished_at", "elapsed"),
        "params",
        "selector",
        "error",
    )
    inlines = (ChunkInline,)
    actions = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).defer("context")

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        answered = job.completed + job.failed
        return format_html(
            '<progress value="{}" max="{}" title="{} of {}"></progress>',
            answered,
            max(job.total, 1),
            answered,
            job.total,
        )

    @admin.display(description="seconds")
    def elapsed(self, job: Job) -> str:
        return f"{(job.finished_at - job.created_at).total_seconds():.3f}" if job.finished_at else ""

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("batch.change_job")

    @admin.action(description="Cancel the selected jobs", permissions=["cancel"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        running = jobs.exclude(status__in=Job.TERMINAL)
        cancelled = 0
        for job in running:
            ring_chunks(services.cancel(job))
            self.log_change(request, job, "Cancelled.")
            cancelled += 1
        ended = jobs.count() - cancelled
        if cancelled:
            self.message_user(request, f"{cancelled} job(s) are being cancelled.", messages.SUCCESS)
        if ended > 0:
            self.message_user(request, f"{ended} job(s) had ended already and stay as they are.", messages.WARNING)
