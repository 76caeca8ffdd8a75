"""Who may see jobs and act on them, in the API and in the admin: owners, and users with Django's permissions."""

from django.contrib.auth.models import AnonymousUser, User

from batch.jobs.models import Job

VIEW, CHANGE = "batch.view_job", "batch.change_job"


def may_see_all(user: User | AnonymousUser) -> bool:
    """As in Django's admin, the permission to change includes the permission to view."""
    return user.has_perm(VIEW) or user.has_perm(CHANGE)


def may_see(user: User | AnonymousUser, job: Job) -> bool:
    return job.owner_id == user.pk or may_see_all(user)


def may_act_on(user: User | AnonymousUser, job: Job) -> bool:
    """Whether the user may cancel or retry the job."""
    return job.owner_id == user.pk or user.has_perm(CHANGE)
