"""Rates, dividends and yields as dated facts. What a computation uses depends on its instant, not on the imports."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from signals.instruments.core.underlyings import currency_of
from signals.instruments.models import Underlying
from signals.rates.core.bounds import (
    CURRENCY,
    FIRST_DAY,
    HIGHEST_AMOUNT,
    HIGHEST_RATE,
    LAST_DAY,
    LONGEST_TENOR,
    LOWEST_RATE,
)

_RATE = [MinValueValidator(LOWEST_RATE), MaxValueValidator(HIGHEST_RATE)]
_DAYS = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]
_CURRENCY = RegexValidator(rf"^(?:{CURRENCY})\Z", "Three to ten capital letters or digits, such as INR.")


class ZeroRate(models.Model):
    """One point of the zero curve of a currency on a date."""

    currency = models.TextField(validators=[_CURRENCY])
    date = models.DateField(validators=_DAYS, help_text="The curve's date. A computation on it may use the curve.")
    tenor_days = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(LONGEST_TENOR)])
    rate = models.FloatField(
        validators=_RATE, help_text="Zero rate, compounded continuously, a year of 365 days, as a decimal."
    )
    source = models.TextField(blank=True, help_text="Which file gave it, and under which convention.")

    class Meta:
        ordering = ["currency", "-date", "tenor_days"]
        constraints = [models.UniqueConstraint(fields=["currency", "date", "tenor_days"], name="zero_rate_point")]

    def __str__(self) -> str:
        return f"{self.currency} {self.date} {self.tenor_days} d"


class Dividend(models.Model):
    """A cash dividend of an underlying, as it was announced on a date."""

    underlying = models.ForeignKey(Underlying, on_delete=models.PROTECT, related_name="dividends", db_index=False)
    ex_date = models.DateField(validators=_DAYS, help_text="First day without the dividend, at the exchange.")
    amount = models.FloatField(
        validators=[MinValueValidator(0.0), MaxValueValidator(HIGHEST_AMOUNT)],
        help_text="A unit of the underlying. 0 says that none is paid on that day.",
    )
    currency = models.TextField(validators=[_CURRENCY], help_text="That of the underlying's prices.")
    announced = models.DateField(
        null=True,
        blank=True,
        validators=_DAYS,
        help_text="Earlier computations do not know it. Empty: always known. The newest announcement counts.",
    )
    source = models.TextField(blank=True)

    class Meta:
        ordering = ["underlying", "-ex_date"]
        constraints = [
            models.UniqueConstraint(
                fields=["underlying", "ex_date", "announced"], name="dividend_announcement", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.underlying_id} {self.ex_date}"

    def clean(self) -> None:
        expected = currency_of(self.underlying_id or "")
        if expected and self.currency != expected:
            raise ValidationError({"currency": f"Prices of this underlying are in {expected}."})
        if self.announced and self.ex_date and self.announced > self.ex_date:
            raise ValidationError({"announced": "After the ex-date."})


class DatedYield(models.Model):
    """The dividend yield of an underlying from a date on, until a later row."""

    underlying = models.ForeignKey(Underlying, on_delete=models.PROTECT, related_name="yields", db_index=False)
    since = models.DateField(validators=_DAYS, help_text="First day, at the exchange.")
    dividend_yield = models.FloatField(validators=_RATE, help_text="Continuous, a year, as a decimal: 0.012 is 1.2 %.")
    source = models.TextField(blank=True)

    class Meta:
        ordering = ["underlying", "-since"]
        constraints = [models.UniqueConstraint(fields=["underlying", "since"], name="dated_yield_since")]

    def __str__(self) -> str:
        return f"{self.underlying_id} since {self.since}"
