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
