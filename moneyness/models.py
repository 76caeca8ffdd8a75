"""How chains are evaluated, by underlying, and what evaluations said."""

import math
from collections.abc import Callable, Mapping

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rules import RECORD_SECONDS
from moneyness.core.settings_texts import BadList, parse_bands, parse_deltas, parse_tenors
from signals.instruments.models import Underlying
from timeframes.core.series import Series

_DEFAULT = ChainParams()
MOST_WALLS = 50


_LISTS: Mapping[str, Callable[[str], object]] = {
    "bands": parse_bands,
    "deltas": parse_deltas,
    "tenors": parse_tenors,
}


class ChainSettings(models.Model):
    """How the chains of one underlying are evaluated. An underlying without a row has the defaults."""

    class AtmVolatilityChoices(models.TextChoices):
        INTERPOLATED = AtmVolatility.INTERPOLATED.value, "Interpolated at the forward, in total variance"
        NEAREST = AtmVolatility.NEAREST.value, "Mean of call and put at the nearest strike"
        STRADDLE = AtmVolatility.STRADDLE.value, "Implied by the straddle at the nearest strike"

    class GammaFormulaChoices(models.TextChoices):
        PER_POINT = GammaFormula.PER_POINT.value, "gamma x open interest: units a point"
        PER_PERCENT = GammaFormula.PER_PERCENT.value, "gamma x open interest x S² x 0.01: money per 1 % move"
        NOTIONAL = GammaFormula.NOTIONAL.value, "gamma x open interest x S²: money per 100 %"

    class DealerSignChoices(models.TextChoices):
        LONG_CALLS = DealerSign.LONG_CALLS.value, "Long calls, short puts"
        SHORT_ALL = DealerSign.SHORT_ALL.value, "Short all options"
        LONG_ALL = DealerSign.LONG_ALL.value, "Long all options"

    underlying = models.OneToOneField(
        Underlying, on_delete=models.CASCADE, primary_key=True, related_name="chain_settings"
    )
    strikes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="The deepest level ITMn and OTMn. Empty: CHAIN_STRIKES.",
    )
    bands = models.TextField(
        blank=True, help_text="Levels by distance from the forward, such as OTM_PCT_0_2, OTM_PCT_2_5, ITM_LOG_0_0.02."
    )
    deltas = models.TextField(
        default=", ".join(f"{delta:g}" for delta in _DEFAULT.deltas),
        blank=True,
        help_text="Levels by absolute delta. Empty: none.",
    )
    tenors = models.TextField(
        default=", ".join(f"{days:g}" for days in _DEFAULT.tenors),
        blank=True,
        help_text="Constant maturities, in days. Empty: none.",
    )
    hysteresis = models.FloatField(
        default=_DEFAULT.hysteresis,
        validators=[MinValueValidator(0.5), MaxValueValidator(1.0)],
        help_text="Share of the way to the next strike that the forward passes before that is at the money; 0.5: none.",
    )
    atm_volatility = models.TextField(
        "ATM volatility",
        choices=AtmVolatilityChoices.choices,
        default=_DEFAULT.atm_volatility.value,
        help_text="Which volatility counts as the one at the money. The others are told beside it.",
    )
    gamma_formula = models.TextField(choices=GammaFormulaChoices.choices, default=_DEFAULT.gamma_formula.value)
    dealer_sign = models.TextField(
        choices=DealerSignChoices.choices,
        default=_DEFAULT.dealer_sign.value,
        help_text="What dealers are taken to hold, for gamma exposure: an assumption.",
    )
    walls = models.PositiveSmallIntegerField(
        default=_DEFAULT.walls,
        validators=[MaxValueValidator(MOST_WALLS)],
        help_text="How many strikes with the most open interest are listed.",
    )
    worst_fit = models.FloatField(
        default=_DEFAULT.worst_fit,
        validators=[MinValueValidator(0.0001), MaxValueValidator(1.0)],
        help_text="A fitted smile with a larger error is refused: root mean square, in volatility.",
    )
    record_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        choices=[(seconds, f"{seconds} s" if seconds else "never") for seconds in RECORD_SECONDS],
        help_text="How often levels are kept in signal_moneyness_greeks. Empty: MONEYNESS_RECORD_SECONDS.",
    )

    class Meta:
        db_table = "moneyness_chain_settings"
        verbose_name = "chain settings"
        ordering = ["underlying"]
        verbose_name_plural = "chain settings"

    def __str__(self) -> str:
        return str(self.underlying_id)

    def clean(self) -> None:
        wrong = {}
        for name, parse in _LISTS.items():
            try:
                parse(getattr(self, name))
            except BadList as error:
                wrong[name] = str(error)
        for name in ("hysteresis", "worst_fit"):
            if isinstance(value := getattr(self, name), float) and math.isnan(value):  # no bound refuses it
                wrong[name] = "It is no number."
        if wrong:
            raise ValidationError(wrong)


class MoneynessGreeks(models.Model):
    """The options of one moneyness level at an instant, in aggregate: both sides together, the calls, and the puts.

    Greeks have the units of docs/engine.md. `..._mean` is their mean, `..._by_open_interest` and `..._by_volume` are
    sums weighted by open interest and by volume. What is not known is null.
    """

    series = Series(chunk_days=7, key="level_key", segment_by=("level_key", "side"), keep="MONEYNESS_KEEP_DAYS")

    pk = models.CompositePrimaryKey("level_key", "time", "side")
    level_key = models.TextField(help_text="UNDERLYING:EXPIRY:LEVEL, such as NSE@NIFTY:2026-12-29:ATM.")
    time = models.DateTimeField(help_text="The chain as it stood at this instant, or at its first evaluation after it.")
    side = models.TextField(help_text="both, calls or puts.")
    underlying = models.TextField()
    expiry = models.DateField()
    level = models.TextField()
    spot = models.FloatField(null=True)
    forward = models.FloatField(null=True)
    atm_strike = models.FloatField(null=True)
    options = models.IntegerField(help_text="How many the level has.")
    priced = models.IntegerField(help_text="How many of them have a volatility.")
    strike_low = models.FloatField(null=True)
    strike_high = models.FloatField(null=True)
    open_interest = models.FloatField(null=True, help_text="Sum, in units of the underlying, as the source gives it.")
    volume = models.FloatField(null=True, help_text="Sum, in units of the underlying.")
    premium = models.FloatField(null=True, help_text="Sum of price x open interest.")
    implied_volatility = models.FloatField(null=True, help_text="Mean of the priced options.")
    implied_volatility_by_open_interest = models.FloatField(null=True)
    quality = models.FloatField(null=True, help_text="Share of the options with a two-sided market that is not wide.")
    delta_mean = models.FloatField(null=True)
    gamma_mean = models.FloatField(null=True)
    theta_mean = models.FloatField(null=True)
    vega_mean = models.FloatField(null=True)
    rho_mean = models.FloatField(null=True)
    delta_by_open_interest = models.FloatField(null=True)
    gamma_by_open_interest = models.FloatField(null=True)
    theta_by_open_interest = models.FloatField(null=True)
    vega_by_open_interest = models.FloatField(null=True)
    rho_by_open_interest = models.FloatField(null=True)
    delta_by_volume = models.FloatField(null=True)
    gamma_by_volume = models.FloatField(null=True)
    theta_by_volume = models.FloatField(null=True)
    vega_by_volume = models.FloatField(null=True)
    rho_by_volume = models.FloatField(null=True)

    class Meta:
        db_table = "signal_moneyness_greeks"

    def __str__(self) -> str:
        return f"{self.level_key} {self.side} {self.time.isoformat()}"


class ChainReading(models.Model):
    """What one expiry of a chain said at an instant; or, with days as its term, a constant maturity.

    A constant maturity has a volatility and a spot only. `implied_volatility` is the one at the money that the settings
    choose; the three methods stand beside it.
    """

    series = Series(chunk_days=30, key="term_key", segment_by=("term_key",), keep="CHAIN_ANALYTICS_KEEP_DAYS")

    pk = models.CompositePrimaryKey("term_key", "time")
    term_key = models.TextField(help_text="UNDERLYING:TERM, such as NSE@NIFTY:2026-12-29 or NSE@NIFTY:30d.")
    time = models.DateTimeField(help_text="The chain as it stood at this instant, or at its first evaluation after it.")
    as_of = models.DateTimeField(help_text="Of the evaluation.")
    underlying = models.TextField()
    expiry = models.DateField(null=True, help_text="Null for a constant maturity.")
    days = models.FloatField(null=True, help_text="Of the constant maturity, or until the expiry.")
    spot = models.FloatField(null=True)
    forward = models.FloatField(null=True)
    rate = models.FloatField(null=True, help_text="Continuous, annual.")
    atm_strike = models.FloatField(null=True)
    implied_volatility = models.FloatField(null=True)
    method = models.TextField(blank=True, help_text="interpolated, nearest or straddle.")
    interpolated = models.FloatField(null=True)
    nearest = models.FloatField(null=True)
    straddle_implied = models.FloatField(null=True)
    straddle = models.FloatField(null=True, help_text="Price of call and put at the ATM strike.")
    expected_move = models.FloatField(null=True)
    risk_reversal_25 = models.FloatField(null=True)
    butterfly_25 = models.FloatField(null=True)
    slope = models.FloatField(null=True)
    call_open_interest = models.FloatField(null=True)
    put_open_interest = models.FloatField(null=True)
    call_volume = models.FloatField(null=True)
    put_volume = models.FloatField(null=True)
    put_call_ratio_open_interest = models.FloatField(null=True)
    put_call_ratio_volume = models.FloatField(null=True)
    max_pain = models.FloatField(null=True)
    gamma_exposure = models.FloatField(
        null=True, help_text="Net, by the formula and the dealer's sign of the settings."
    )
    gamma_flip = models.FloatField(null=True)
    quotes_used = models.IntegerField(null=True)
    quotes_refused = models.IntegerField(null=True)

    class Meta:
        db_table = "signal_chain_analytics"
        indexes = [models.Index(fields=["underlying", "time"], name="chain_reading_time")]

    def __str__(self) -> str:
        return f"{self.term_key} {self.time.isoformat()}"
