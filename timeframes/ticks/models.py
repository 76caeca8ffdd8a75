"""Ticks from the streams."""

from django.db import models

from timeframes.core.series import Series


class AbstractTick(models.Model):
    """One entry of a tick stream. The entry's ID is part of the key, since many trades can share one timestamp."""

    pk = models.CompositePrimaryKey("instrument_key", "time", "entry_id")
    instrument_key = models.TextField()
    time = models.DateTimeField(help_text="The tick's own time (ltt).")
    entry_id = models.TextField(help_text="ID of the stream's entry: milliseconds-number.")
    ltp = models.FloatField(help_text="Last price.")
    last_quantity = models.FloatField(null=True, help_text="Of the last trade, in units.")
    volume = models.FloatField(null=True, help_text="Since the session began, in units.")
    open_interest = models.FloatField(null=True)
    bid = models.FloatField(null=True)
    ask = models.FloatField(null=True)
    bid_size = models.FloatField(null=True)
    ask_size = models.FloatField(null=True)
    open = models.FloatField(null=True)
    high = models.FloatField(null=True)
    low = models.FloatField(null=True)
    close = models.FloatField(null=True)
    suspect = models.TextField(
        default="",
        db_default="",
        blank=True,
        help_text="Why the tick was not believed: jump, late; else empty. No bar or quote is made of a suspect one.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.time.isoformat()} {self.entry_id}"


class Tick(AbstractTick):
    """Every accepted tick of the live streams."""

    series = Series(chunk_days=1, keep="TICKS_KEEP_DAYS")

    class Meta:
        db_table = "ticks"


class BacktestTick(AbstractTick):
    """Ticks of back-tests, which take each tick's own time as now. Bars and quotes are made of `Tick` only."""

    # Their times say nothing about when they were written, so age neither compresses nor removes them.
    series = Series(chunk_days=30, segment_by=None)

    class Meta:
        db_table = "backtest_ticks"
