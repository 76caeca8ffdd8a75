"""Examples of answers for the schema."""

from drf_spectacular.utils import OpenApiExample

RUNS_EXAMPLE = OpenApiExample(
    "Two runs",
    response_only=True,
    value={
        "next_cursor": None,
        "data": [
            {
                "id": 812,
                "due": "2026-06-11T09:50:00Z",
                "version": 3,
                "state": "done",
                "attempt": 1,
                "started_at": "2026-06-11T09:50:00.140000Z",
                "finished_at": "2026-06-11T09:50:00.310000Z",
                "lateness_ms": 140.0,
                "duration_ms": 170.0,
                "instruments": 2,
                "failed": 0,
                "missed": 0,
                "error": "",
            },
            {
                "id": 805,
                "due": "2026-06-11T09:45:00Z",
                "version": 3,
                "state": "missed",
                "attempt": 0,
                "started_at": None,
                "finished_at": "2026-06-11T09:50:00.120000Z",
                "lateness_ms": None,
                "duration_ms": None,
                "instruments": 0,
                "failed": 0,
                "missed": 4,
                "error": "",
            },
        ],
    },
)
RESULTS_EXAMPLE = OpenApiExample(
    "A scheduled result",
    response_only=True,
    value={
        "next_cursor": None,
        "data": [
            {
                "instrument_key": "NSE@NIFTY@equity_spot",
                "time": "2026-06-11T09:50:00+00:00",
                "source": "schedule",
                "version": 3,
                "run": 812,
                "tick": None,
                "values": {
                    "indicators": {"rsi(length=14)": {"RSI_14": 61.2}},
                    "functions": {"pivots": {"pivot": 24810.5, "r1": 24922.0}},
                },
                "reasons": {},
            }
        ],
    },
)
