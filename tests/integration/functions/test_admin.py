"""Functions in the admin: upload, a new version, the source as text, the log."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from tests.integration.functions.conftest import needs_filter

pytestmark = pytest.mark.django_db
ADD = "/admin/signals/userfunction/add/"
SOURCE = "def compute(data, params):\r\n    return '<script>alert(1)</script>' and 1.0\r\n"


@pytest.fixture
def client() -> Client:
    needs_filter()
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("root"))
    return client


def form(**fields: Any) -> dict[str, Any]:
    return {"name": "mean", "description": "", "source": SOURCE, **fields}


def test_staff_upload_and_see_sources_as_text(client: Client) -> None:
    assert client.post(ADD, form()).status_code == 302
    function = UserFunction.objects.get()
    assert function.owner.username == "root"
    assert "\r" not in function.versions.get().source
    page = f"/admin/signals/userfunction/{function.pk}/change/"
    shown = client.get(page).content.decode()
    assert "&lt;script&gt;alert(1)" in shown and "<script>alert(1)" not in shown
    changed = {
        "description": "new",
        "source": SOURCE + "# 2",
        "versions-TOTAL_FORMS": "0",
        "versions-INITIAL_FORMS": "0",
    }
    assert client.post(page, changed).status_code == 302
    assert FunctionVersion.objects.count() == 2
    assert client.post(page, {**changed, "source": ""}).status_code == 302
    assert FunctionVersion.objects.count() == 2
    assert client.get("/admin/signals/userfunction/").status_code == 200
    log = client.get("/admin/signals/functionrun/").content.decode()
    assert log.count(">Upload<") >= 2
    assert client.post(f"/admin/signals/userfunction/{function.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not UserFunction.objects.exists()
    assert FunctionRun.objects.filter(action="delete").count() == 1


def test_the_example_of_an_empty_page_can_be_saved(client: Client) -> None:
    found = re.search(r'<textarea[^>]*placeholder="([^"]+)"', client.get(ADD).content.decode())
    assert found
    assert client.post(ADD, form(source=unescape(found[1]))).status_code == 302


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"source": "def compute(data, params)\n    return 1"}, "line 1"),
        ({"source": "def compute(data, params):\n    return x.__globals__"}, "line 2"),
        ({"source": ""}, "needs a source"),
        ({"name": "Bad Name"}, "1 to 64 characters"),
        ({"name": "runs"}, "taken"),
    ],
)
def test_a_refused_form_says_why(client: Client, fields: dict[str, str], says: str) -> None:
    answer = client.post(ADD, form(**fields))
    assert answer.status_code == 200
    assert says in answer.content.decode()
    assert not UserFunction.objects.exists()


def test_staff_without_the_permission_see_nothing(client: Client) -> None:
    client.post(ADD, form())
    staff = User.objects.create_user("staff", is_staff=True)
    client.force_login(staff)
    page = f"/admin/signals/userfunction/{UserFunction.objects.get().pk}/change/"
    for path in (ADD, page, "/admin/signals/userfunction/", "/admin/signals/functionrun/"):
        assert client.get(path).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_userfunction"))
    shown = client.get(page)
    assert shown.status_code == 200 and "alert(1)" in shown.content.decode()
    assert client.post(page, {"description": "x", "source": SOURCE}).status_code == 403
