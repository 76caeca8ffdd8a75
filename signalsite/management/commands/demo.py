"""The demo: simulate a market, submit a job of 1,000 option contracts over HTTP, and show the answers."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet
from tqdm import tqdm

from batch.client import Client, ClientError, Job
from signals.instruments.models import Instrument, Underlying
from signalsite.embedded import state as places
from signalsite.embedded.service import ServiceFailed, running_service
from timeframes.quotes.models import Quote

SHOWN = ("implied_volatility", "delta", "gamma", "theta", "vega", "rho")


class Command(BaseCommand):
    help = "Simulate a market, submit a job of option contracts over HTTP, and show what comes back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--items", type=int, default=1000)
        parser.add_argument("--port", type=int, default=0, help="port of the demo's web server (default: a free one)")

    def handle(self, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        self.say(
            "1. a simulated NIFTY/BANKNIFTY market (prices by py_vollib plus noise, some quotes broken on purpose)"
        )
        call_command("simulate_market", stdout=self.stdout)
        accounts = {name: demo_account(name, staff=name == "admin") for name in ("demo", "admin")}
        self.say("2. the service: web, workers and beat (`make up` keeps it running)")
        log = places.state_dir() / "log" / "demo.log"
        try:
            with (
                running_service(log, port=options["port"]) as service,
                Client(service.address, username="demo", password=accounts["demo"]) as client,
            ):
                self.run_job(client, options["items"])
        except (ServiceFailed, ClientError) as error:
            raise CommandError(str(error)) from error
        self.say("accounts of the demo, kept in the state folder:")
        for name, password in accounts.items():
            self.stdout.write(f"   {name:<6} {password}")
        self.stdout.write("   next: make up, then http://127.0.0.1:8000/api/docs and /admin/")

    def say(self, text: str) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"\n{text}"))

    def run_job(self, client: Client, count: int) -> None:
        chain = contracts().order_by("expiry", "underlying", "strike", "right").values_list("key", flat=True)
        items = list(chain[:count])
        self.say(f"3. POST /api/v2/signals/batch/jobs with {len(items)} contracts")
        begun = time.perf_counter()
        # Do not reuse earlier answers: the demo shows the work.
        job = client.submit(items, reuse=False)
        self.stdout.write(f"   202 Accepted, job {job.id}")
        with tqdm(total=len(items), unit=" contracts", file=sys.stdout, bar_format="   {l_bar}{bar:40}{r_bar}") as bar:

            def show(state: Job) -> None:
                bar.update(state.counts.answered - bar.n)

            job = client.wait(job, progress=show)
        if job.status != "completed":
            raise CommandError(f"the job ended as {job.status}: {job.error}")
        rows = list(client.results(job))
        elapsed = time.perf_counter() - begun
        self.show(rows)
        self.stdout.write(
            f"   {len(rows)} answers read {elapsed:.2f} s after the POST began, as of {job.as_of:%Y-%m-%d %H:%M:%S %Z}"
        )

    def show(self, rows: list[dict[str, Any]]) -> None:
        self.stdout.write("   " + f"{'instrument':<46}" + "".join(f"{name.split('_')[-1]:>12}" for name in SHOWN))
        good = [row for row in rows if row["status"] == "ok"]
        for row in good[:: max(len(good) // 8, 1)][:8]:
            self.stdout.write(f"   {row['instrument_key']:<46}" + "".join(f"{row[name]:>12.5f}" for name in SHOWN))
        seen = Counter(row["status"] for row in rows)
        self.stdout.write("   " + ", ".join(f"{status}: {count}" for status, count in seen.most_common()))
        for status in [status for status in seen if status != "ok"]:
            row = next(row for row in rows if row["status"] == status)
            self.stdout.write(f"   {status}: {row['instrument_key']}: {row['reason']}")


def contracts() -> QuerySet[Instrument]:
    """Return the simulated options within 6 % of the spot, where most trading happens."""
    near = Q()
    for underlying in Underlying.objects.filter(exchange="SIM"):
        quotes = Quote.objects.filter(instrument_key=underlying.spot_key, last__gt=0).order_by("-time")
        if spot := quotes.values_list("last", flat=True).first():
            near |= Q(underlying=underlying, strike__range=(0.94 * spot, 1.06 * spot))
    return Instrument.objects.filter(near, right__in=("call", "put"))


def demo_account(name: str, *, staff: bool) -> str:
    """Create or update the account, and return its password, which the state folder keeps."""
    password = places.secret(places.state_dir(), f"{name}_password", nbytes=12)
    user, _ = get_user_model().objects.get_or_create(username=name)
    user.is_staff = user.is_superuser = staff
    user.set_password(password)
    user.save()
    return password
