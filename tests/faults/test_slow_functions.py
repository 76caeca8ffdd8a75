"""Users' functions that run to their limits hold up nobody's schedules."""

import json
import time
import uuid

from tests.faults.schedules import asked
from tests.faults.site import Site, until
from tests.integration.functions.conftest import needs_filter

QUICK, SLOW, INSTRUMENTS, SECONDS = 200, 4, 20, 15
LOOPS = "def compute(data, params):\n    while True:\n        pass\n"
SLOW_KEYS = [f"BINANCE@SLOW{place}/USDT@crypto_spot" for place in range(INSTRUMENTS)]
_ALLOW = """
INSERT INTO auth_user_user_permissions (user_id, permission_id)
SELECT u.id, p.id FROM auth_user u, auth_permission p WHERE u.username = 'trader' AND p.codename = 'add_userfunction'
"""
_BARS = """
INSERT INTO historical_data (instrument_key, interval, time, open, high, low, close, volume, source)
SELECT key, '1m', date_trunc('minute', now()) - number * interval '1 min', 1, 1, 1, 1, 1, 'test'
FROM unnest(%(keys)s::text[]) AS key, generate_series(1, 30) AS number
"""
_MAKE = """
INSERT INTO signal_configurations (id, owner_id, name, active, version, document, underlyings, interval, frequency,
                                   origin, entry_id, created_at, updated_at, next_due)
SELECT gen_random_uuid(), u.id, %(name)s || number, true, 1, %(document)s::jsonb || jsonb_build_object(
           'name', %(name)s || number,
           'instruments', CASE WHEN %(all)s THEN to_jsonb(%(keys)s::text[])
                          ELSE jsonb_build_array((%(keys)s::text[])[number]) END),
       ARRAY[]::text[], coalesce(%(document)s::jsonb ->> 'interval', ''), %(document)s::jsonb ->> 'frequency', 'api',
       '', now(), now(), date_trunc('second', now()) + interval '1 s'
FROM auth_user u, generate_series(1, %(count)s) AS number WHERE u.username = 'trader'
"""
# Those that were due when functions had begun.
_FOUND = """
SELECT count(*), count(*) FILTER (WHERE r.state = 'missed'),
       percentile_disc(0.99) WITHIN GROUP (ORDER BY lateness_ms), max(lateness_ms)
FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
WHERE c.name LIKE %s AND r.state IN ('done', 'failed', 'missed') AND r.due >= %s
"""
_FUNCTIONS_RUN = """
SELECT count(*) FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
WHERE c.name LIKE %s AND r.state = 'running'
"""


def test_functions_that_run_to_their_limit_delay_no_schedule(site: Site, measured: dict[str, float]) -> None:
    needs_filter()
    asked(site, _ALLOW)
    name = f"loops{uuid.uuid4().hex[:8]}"
    made = site.client.post("/api/v2/signals/functions", json={"name": name, "source": LOOPS})
    assert made.status_code == 201, made.text
    (version,) = asked(site, "SELECT max(id::text) FROM signals_functionversion")[0]
    asked(site, _BARS, keys=SLOW_KEYS)
    function = {"function": f"version/{version}", "params": {}, "label": "loops"}
    slow = {"interval": "1m", "frequency": "5s", "external_functions": [function], "bars": 20}
    quick = {"interval": None, "frequency": "1s", "greeks": {"columns": ["delta"], "params": {}}}
    for prefix, document, keys, count in (
        (f"slow{name}", slow, SLOW_KEYS, SLOW),
        (f"quick{name}", quick, site.keys[:QUICK], QUICK),
    ):
        asked(
            site,
            _MAKE,
            name=prefix,
            document=json.dumps(document),
            keys=keys,
            all=prefix.startswith("slow"),
            count=count,
        )
    until(lambda: asked(site, _FUNCTIONS_RUN, f"slow{name}%")[0][0] >= 2, 60, "both workers are in functions")
    (since,) = asked(site, "SELECT now()")[0]
    time.sleep(SECONDS)
    asked(site, "UPDATE signal_configurations SET active = false WHERE name LIKE %s", f"%{name}%")
    ended, missed, p99, most = asked(site, _FOUND, f"quick{name}%", since)[0]
    print(f"{ended} quick runs, {missed} missed, lateness: 99 % within {p99:.0f} ms, all within {most:.0f} ms")
    measured["schedules beside slow functions: 99 % start within"] = p99 / 1000
    assert ended >= QUICK * (SECONDS - 2) and missed == 0
    assert p99 < 1000
    asked(site, "DELETE FROM signal_configurations WHERE name LIKE %s", f"%{name}%")
