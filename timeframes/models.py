"""The tables of what happened and when."""

from django.db import models


class Quote(models.Model):
    """What was known of one instrument at one moment. A price that the source did not give is null, never zero."""

    pk = models.CompositePrimaryKey("instrument_key", "time")
    instrument_key = models.TextField()
    time = models.DateTimeField(help_text="Moment of the quote; an end-of-day row bears the session's close.")
    bid = models.FloatField(null=True)
    ask = models.FloatField(null=True)
    last = models.FloatField(null=True, help_text="Last traded price.")
    settle = models.FloatField(null=True, help_text="The exchange's settlement price.")
    close = models.FloatField(null=True, help_text="The session's closing price.")
    volume = models.FloatField(null=True, help_text="Traded in the session, in units of the underlying.")
    open_interest = models.FloatField(null=True, help_text="In units of the underlying, as the source gives it.")
    source = models.TextField(help_text="Which importer or feed wrote the row.")

    class Meta:
        indexes = [models.Index(fields=["time"], name="quote_time")]

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.time.isoformat()}"


class AbstractTick(models.Model):
    """One entry of a tick stream. Keyed by the entry's ID too, since one timestamp can bear many trades."""

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

    class Meta:
        db_table = "ticks"


class BacktestTick(AbstractTick):
    """Ticks that were processed with their own times as now: kept apart, so that no bar or quote is made of them."""

    class Meta:
        db_table = "backtest_ticks"
