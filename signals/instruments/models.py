"""Contracts and their underlyings."""

from collections.abc import Collection
from datetime import date

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Value
from django.db.models.functions import Coalesce

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.keys import InstrumentKey, parse_key


class Underlying(models.Model):
    """The underlying of options and futures, and how they are priced."""

    class PricingModel(models.TextChoices):
        BSM = "bsm", "Black-Scholes-Merton (spot with carry)"
        BLACK76 = "black76", "Black-76 (on the forward)"

    class Exercise(models.TextChoices):
        EUROPEAN = "european", "European (at expiry)"
        AMERICAN = "american", "American (at any time until expiry)"

    key = models.TextField(primary_key=True, help_text="EXCHANGE@SYMBOL, such as NSE@NIFTY.")
    exchange = models.TextField()
    symbol = models.TextField()
    spot_key = models.TextField(help_text="Instrument key of the spot price.")
    volatility_index_key = models.TextField(blank=True, help_text="Instrument key of the volatility index, in percent.")
    pricing_model = models.TextField(choices=PricingModel.choices, default=PricingModel.BSM)
    exercise = models.TextField(
        choices=Exercise.choices,
        default=Exercise.EUROPEAN,
        db_default="european",  # for rows of programs that do not know the column yet
        help_text="When holders of its options may exercise.",
    )
    dividend_yield = models.FloatField(default=0.0, help_text="Continuous, a year, as a decimal: 0.012 is 1.2 %.")

    class Meta:
        ordering = ["key"]
        indexes = [models.Index(fields=["symbol"], name="underlying_symbol")]

    def __str__(self) -> str:
        return self.key

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Check a new key against exchange and symbol. Forms of stored rows exclude the key."""
        super().clean_fields(exclude=exclude)
        if "key" in (exclude or ()):
            return
        key = _parsed(self.key)
        if key.underlying != self.key:
            raise ValidationError({"key": f"This is an instrument. Its underlying is {key.underlying}."})
        if self.exchange not in EXCHANGES:
            raise ValidationError({"exchange": f"Known are {', '.join(filter(None, EXCHANGES))}."})
        if self.exchange != key.exchange:
            raise ValidationError({"exchange": f"The exchange in the key is {key.exchange}."})
        if self.symbol != key.symbol:
            raise ValidationError({"symbol": f"The symbol in the key is {key.symbol}."})


class Instrument(models.Model):
    """One tradable contract or spot, named by its key (timeframes.core.keys has the grammar)."""

    key = models.TextField(primary_key=True)
    underlying = models.ForeignKey(Underlying, on_delete=models.PROTECT, related_name="instruments")
    product = models.TextField(help_text="equity_spot, equity_futures, equity_options, crypto_...")
    expiry = models.DateField(null=True, blank=True, help_text="Expiry date in the exchange's time zone.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Exact moment of expiry.")
    right = models.TextField(blank=True, choices=[("call", "call"), ("put", "put")])
    strike = models.DecimalField(null=True, blank=True, max_digits=18, decimal_places=6)
    lot_size = models.PositiveIntegerField(null=True, blank=True)
    lot_size_as_of = models.DateField(
        null=True,
        blank=True,
        help_text="Date on which a source gave this lot size. An older source does not change it.",
    )
    tick_size = models.DecimalField(null=True, blank=True, max_digits=12, decimal_places=6)
    tick_size_as_of = models.DateField(
        null=True,
        blank=True,
        help_text="Date on which a source gave this tick size. An older source does not change it.",
    )

    class Meta:
        ordering = ["key"]
        indexes = [
            models.Index(fields=["underlying", "expiry", "strike", "right"], name="instrument_chain"),
            # The order of signals.instruments.listing: a page far down costs as little as the first.
            models.Index(
                "underlying",
                Coalesce("expiry", Value(date.min, models.DateField())),
                Coalesce("strike", Value(0, models.IntegerField()), output_field=models.DecimalField()),
                "right",
                "key",
                name="instrument_listing",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Check a new key. Forms of stored rows exclude it."""
        super().clean_fields(exclude=exclude)
        if "key" in (exclude or ()):
            return
        key = _parsed(self.key)
        if not key.product:
            raise ValidationError({"key": "This is an underlying, not an instrument."})
        if key.exchange not in EXCHANGES:
            raise ValidationError(
                {"key": f"Its exchange is not known. Known are {', '.join(filter(None, EXCHANGES))}."}
            )
        if key.underlying != self.underlying_id:
            raise ValidationError({"underlying": f"The underlying in the key is {key.underlying}."})


def _parsed(key: str) -> InstrumentKey:
    try:
        return parse_key(key)
    except InvalidInput as error:
        raise ValidationError({"key": str(error)}) from error
