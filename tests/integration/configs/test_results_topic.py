"""Who may subscribe to what a configuration gives."""

import uuid

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from realtime.sockets.topics import Forbidden, Reader, own_results
from tests.integration.config_runs.made import KEYS, configure

pytestmark = pytest.mark.django_db(transaction=True)


def admitted(user: User, configuration: uuid.UUID) -> bool:
    try:
        async_to_sync(own_results)(Reader(user.pk), f"results:{configuration}:{KEYS[0]}")
    except Forbidden as error:
        assert str(error) == "there is no such configuration"
        return False
    return True


def test_its_owner_and_staff_are_admitted_and_nobody_else() -> None:
    owner, other = (User.objects.create_user(name) for name in ("owner", "other"))
    staff = User.objects.create_user("staff", is_staff=True)
    made = configure(owner)
    assert [admitted(user, made.id) for user in (owner, staff, other)] == [True, True, False]
    assert not admitted(owner, uuid.UUID(int=7))
    User.objects.filter(pk__in=(owner.pk, staff.pk)).update(is_active=False)
    assert [admitted(user, made.id) for user in (owner, staff)] == [False, False]
