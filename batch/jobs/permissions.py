"""Who may see and act on jobs, in the API as in the admin: an owner on the own ones, others by Django's permissions."""

from django.contrib.auth.models import AnonymousUser, User

from batch.jobs.models import Job

VIEW, CHANGE = "batch.view_job", "batch.change_job"


def may_see_all(user: User | AnonymousUser) -> bool:
    """Whoever may change may look, as in Django's admin."""
    return user.has_perm(VIEW) or user.has_perm(CHANGE)


def may_see(user: User | AnonymousUser, job: Job) -> bool:
    return job.owner_id == user.pk or may_see_all(user)


def may_act_on(user: User | AnonymousUser, job: Job) -> bool:
    """Cancel it, or try it again."""
    return job.owner_id == user.pk or user.has_perm(CHANGE)
