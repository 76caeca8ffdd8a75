"""Configurations in the admin: every fault beside the document, the history, pausing, and rows that are broken."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings

from signals.configs import services
from signals.configs.models import Configuration, ConfigurationChange, ConfigurationResult, ConfigurationRun
from tests.integration.configs.conftest import DOCUMENT, NOW, SPOT

pytestmark = pytest.mark.django_db
LIST = "/admin/signals/configuration/"


@pytest.fixture
def browser(owner: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("root"))
    return client


def saved(owner: User, **changes: Any) -> Configuration:
    return services.save(owner, {**DOCUMENT, **changes}, origin="api", now=NOW)[0]


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    text = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<[^>]*\sstyle=|<[^>]*\son\w+=", text), path
    return text


def test_a_configuration_is_made_and_changed(browser: Client, owner: User) -> None:
    add = {"owner": owner.pk, "text": json.dumps(DOCUMENT)}
    assert browser.post(f"{LIST}add/", add).status_code == 302
    made = Configuration.objects.get()
    assert (made.owner, made.version, made.origin) == (owner, 1, "admin")
    assert "already" in browser.post(f"{LIST}add/", add).content.decode()
    page = f"{LIST}{made.pk}/change/"
    assert "The first version." in shown(browser, page)
    text = json.dumps({**DOCUMENT, "bars": 7, "indicators": ["<b>"]})
    refused = browser.post(page, {"text": text, "read_version": 1}).content.decode()
    assert "indicators[0]: " in refused and "&lt;b&gt;" in refused
    change = {"text": json.dumps({**DOCUMENT, "bars": 7}), "read_version": 1}
    assert browser.post(page, change).status_code == 302
    history = shown(browser, page)
    assert "<del>200</del>" in history and "<ins>7</ins>" in history
    assert "Open it again" in browser.post(page, change).content.decode(), "it has been changed since"
    assert browser.post(f"{LIST}{made.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Configuration.objects.exists()


def test_the_example_of_an_empty_page_can_be_saved(browser: Client, owner: User) -> None:
    found = re.search(r'<textarea[^>]*placeholder="([^"]+)"', shown(browser, f"{LIST}add/"))
    assert found
    answer = browser.post(f"{LIST}add/", {"owner": owner.pk, "text": unescape(found[1])})
    assert answer.status_code == 302, answer.content
    assert Configuration.objects.get().name == "nifty-5m"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ('{"bars": NaN}', "no number of JSON"),
        ("[]", "must be a JSON object"),
        ("x" * 300_000, "is over"),
        (json.dumps({**DOCUMENT, "bars": 0, "interval": "x", "nme": 1}), "nme: unknown field"),
    ],
)
def test_faults_stand_at_the_document(browser: Client, owner: User, text: str, said: str) -> None:
    answer = browser.post(f"{LIST}add/", {"owner": owner.pk, "text": text})
    assert answer.status_code == 200 and said in answer.content.decode()
    if "nme" in text:
        assert len(answer.context["adminform"].form.errors["text"]) == 3, "every one"
    assert not Configuration.objects.exists()


def test_limits(browser: Client, owner: User) -> None:
    saved(owner)
    with override_settings(CONFIGS_PER_USER=1):
        answer = browser.post(f"{LIST}add/", {"owner": owner.pk, "text": json.dumps({**DOCUMENT, "name": "b"})})
    assert "Delete one first" in answer.content.decode()


def test_lists_actions_and_read_only_pages(browser: Client, owner: User) -> None:
    rows = [saved(owner, name=f"n{number}") for number in range(3)]
    broken = saved(owner, name="broken")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE signal_configurations SET document = '[1]' WHERE id = %s", [broken.pk])
    listed = shown(browser, LIST)
    assert "unreadable" in listed and "NSE@NIFTY@equity_spot" in listed
    shown(browser, f"{LIST}?active__exact=1&interval=5m&frequency=bar&q=NIFTY")
    shown(browser, f"{LIST}{broken.pk}/change/")
    chosen = [str(each.pk) for each in [*rows[:2], broken]]
    answer = browser.post(LIST, {"action": "pause", "_selected_action": chosen}, follow=True).content.decode()
    assert "2 paused" in answer and "cannot be read" in answer
    assert Configuration.objects.filter(active=False).count() == 2
    assert (
        "2 resumed"
        in browser.post(LIST, {"action": "resume", "_selected_action": chosen}, follow=True).content.decode()
    )
    confirm = browser.post(LIST, {"action": "delete_selected", "_selected_action": chosen[:2]}).content.decode()
    assert "n0, with its versions and runs" in confirm
    ConfigurationRun.objects.create(configuration=rows[2], due=NOW, version=1, state="missed", lateness_ms=1234.5)
    runs = shown(browser, f"/admin/signals/configurationrun/?configuration__id__exact={rows[2].pk}")
    assert "1,234" in runs and "state missed" in runs
    run = ConfigurationRun.objects.get()
    version = rows[2].versions.get()
    ConfigurationResult.objects.create(
        instrument_key=SPOT,
        time=NOW,
        configuration_id=rows[2].pk,
        source="schedule",
        version=1,
        run=run.pk,
        values={"indicators": {"rsi": None}},
        reasons={"indicators.rsi": "<too few> bars"},
    )
    page = shown(browser, f"/admin/signals/configurationrun/{run.pk}/change/")
    assert "indicators.rsi" in page and "&lt;too few&gt; bars" in page
    assert f"/admin/signals/configurationversion/{version.pk}/change/" in page
    services.set_active(rows[2], False, origin="admin", now=NOW)
    paused = rows[2].versions.latest("number")
    assert "<del>true</del>" in shown(browser, f"/admin/signals/configurationversion/{paused.pk}/change/")
    assert "The first version." in shown(browser, f"/admin/signals/configurationversion/{version.pk}/change/")
    for name, pk in (
        ("configurationversion", rows[0].versions.latest("id").pk),
        ("configurationrun", ConfigurationRun.objects.get().pk),
        ("configurationchange", ConfigurationChange.objects.latest("id").pk),
    ):
        shown(browser, f"/admin/signals/{name}/")
        shown(browser, f"/admin/signals/{name}/{pk}/change/")
        assert browser.get(f"/admin/signals/{name}/add/").status_code == 403


def test_who_may_only_look(owner: User) -> None:
    made = saved(owner)
    looks = User.objects.create_user("looks", is_staff=True)
    looks.user_permissions.add(Permission.objects.get(codename="view_configuration"))
    client = Client(headers={"host": "localhost"})
    client.force_login(looks)
    page = shown(client, f"{LIST}{made.pk}/change/")
    assert "&quot;bars&quot;: 200" in page and "<textarea" not in page
    assert client.post(f"{LIST}{made.pk}/change/", {"text": "{}", "read_version": 1}).status_code == 403
