"""Quotes: the prices of an instrument at a moment."""

from django.db import models

from timeframes.core.series import Series


class Quote(models.Model):
    """The prices of one instrument at one moment. A price that the source did not give is null, never zero."""

    series = Series(chunk_days=30, keep="QUOTES_KEEP_DAYS")

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
