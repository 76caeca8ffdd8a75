"""Bars: what an instrument did in a stretch of time."""

from django.db import models

from timeframes.core.series import Series


class Bar(models.Model):
    """One stored bar of one instrument. `interval` is the text of its timeframe, from 1s to 1d.

    `expiry_date`, `option_type` and `strikeprice` repeat what the key says, for readers that join tables by them.
    """

    series = Series(chunk_days=30, segment_by=("instrument_key", "interval"), keep="BARS_KEEP_DAYS", keep_by="interval")

    pk = models.CompositePrimaryKey("instrument_key", "interval", "time")
    instrument_key = models.TextField()
    interval = models.TextField(help_text="The timeframe in its shortest form: 1m, 5m, 1h, 1d.")
    time = models.DateTimeField(help_text="The beginning of the bar; a day's is the opening of its session.")
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(null=True, help_text="Traded in the bar, in units of the underlying.")
    vwap = models.FloatField(null=True, help_text="Volume-weighted average price, where the source gives it.")
    oi = models.FloatField(null=True, help_text="Open interest at the bar's end, in units of the underlying.")
    trades = models.BigIntegerField(null=True, help_text="Number of trades in the bar.")
    expiry_date = models.DateField(null=True)
    option_type = models.TextField(null=True, help_text="call or put.")
    strikeprice = models.DecimalField(null=True, max_digits=18, decimal_places=6)
    source = models.TextField(help_text="Which importer or feed wrote the row.")
    session_volume = models.FloatField(
        null=True, help_text="Of a live bar: the highest volume since the session began, known at the bar's end."
    )

    class Meta:
        db_table = "historical_data"

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.interval} {self.time.isoformat()}"


class BarChange(models.Model):
    """A committed change of stored bars or ticks, by which `timeframes.bars.changes` finds what is out of date.

    Triggers of both tables write it in the transaction that makes the change, whoever makes it.
    """

    instrument_key = models.TextField(help_text="Empty: of any instrument.")
    xid = models.BigIntegerField(help_text="The transaction, pg_current_xact_id().")
    first = models.DateTimeField(help_text="The time of the first row that changed.")
    last = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, help_text="When it was seen committed; deleted long after that.")

    class Meta:
        db_table = "bar_changes"
        indexes = [models.Index(fields=["instrument_key", "xid"], include=["first", "last"], name="bar_change_of_key")]

    def __str__(self) -> str:
        return f"{self.instrument_key or 'any'} {self.first} to {self.last}"


class CustomTimeframe(models.Model):
    """A page of bars that is asked for often, as a third level under memory and Redis. All rows can be deleted.

    `content` is what the cache in Redis holds, compressed: a page with what it was made of. It is served only while
    `timeframes.bars.changes` knows of no change since.
    """

    name = models.TextField(primary_key=True, help_text="The page's key in the cache, agg_data:...")
    instrument_key = models.TextField()
    timeframe = models.TextField(help_text="In its shortest form: 7m, 1h, 1w.")
    asked = models.FloatField(help_text="How often it was asked for; halved each day.")
    last_asked_at = models.DateTimeField()
    made_at = models.DateTimeField(null=True)
    content = models.BinaryField(null=True)

    class Meta:
        db_table = "signal_custom_timeframes"
        indexes = [models.Index(fields=["-asked"], name="custom_timeframe_asked")]

    def __str__(self) -> str:
        return f"{self.instrument_key} {self.timeframe}, asked {self.asked:.0f} times"
