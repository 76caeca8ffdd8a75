"""Searches the settings that bring our numbers nearest to a vendor's, and says what each of them is worth.

First every combination of the named choices on a coarse grid of rates and yields, with a wide scale, so that being
nearly right counts. Then the best few are refined, with a scale that narrows to a vendor's rounding. Units of Greeks
only scale one column each, so they are chosen for every combination anew.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from signals.comparison.core.losses import Measure
from signals.comparison.core.ours import VOLATILITY_FACTORS, Computer, OurColumns
from signals.comparison.core.sample import SAMPLE, sample, volatility_unit
from signals.comparison.core.settings import AMERICAN, BOUNDS, CHOICES, NAMES, OWN, VENDOR, Settings
from signals.comparison.core.vendor import PRICES, pinned
from signals.greeks.core.conventions import DayCount, ForwardSource, Model

RATES = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.12)
YIELDS = (0.0, 0.015, 0.03, 0.06)
WIDTHS = (40.0, 8.0, 2.0, 1.0)
FINALISTS = 4
AMERICAN_SAMPLE = 120
EXPLAINED = 0.1
"""A loss below this leaves nothing that early exercise could explain."""
_STEPS = (0.01, 0.0025, 0.0005, 0.0001)
_ROUND = (0.05, 0.01, 0.005, 0.001, 0.0005)
_UNITS = {"theta": ("theta_unit",), "vega": ("vega_unit",), "rho": ("rho_holds", "rho_unit")}


def _even(loss: float) -> float:
    """Return how much greater a loss may be and count as equal: then the rounder or the plainer setting is taken.

    The more a vendor's numbers scatter, the less a small difference means.
    """
    return 4e-3 + 0.01 * loss


@dataclass(frozen=True)
class Worth:
    """What one setting is worth: the next best value for it, and the loss with either. All others stay as found."""

    name: str
    value: str | float
    other: str | float
    loss: float
    other_loss: float

    @property
    def decided(self) -> bool:
        return self.other_loss - self.loss > _even(self.loss)


@dataclass(frozen=True)
class Found:
    settings: Settings
    loss: float
    names: tuple[str, ...]  # the settings that had a choice, or were fixed
    worth: tuple[Worth, ...]
    columns: tuple[str, ...]  # the columns that decided
    pinned: int  # legs whose volatility is a default of the vendor's
    tried: int


class Search:
    """The search over one file. `fixed`: settings that stay as they are given."""

    def __init__(self, computer: Computer, fixed: Mapping[str, str | float], most: int = SAMPLE) -> None:
        self.computer, self.fixed = computer, dict(fixed)
        vendor = computer.vendor
        self.is_pinned = pinned(vendor.implied_volatility)
        rows = sample(vendor, self.is_pinned, most)
        self.sample = computer.only(rows)
        self.vendor = self.sample.vendor
        self.columns = self.vendor.given()
        self.tried = 0
        volatilities = "implied_volatility" in self.columns
        defaults = {"greeks_at": VENDOR} if volatilities else {"greeks_at": OWN}
        if "price" in self.columns and not volatilities:
            self.columns = tuple(name for name in self.columns if name != "price")  # its own price, priced again
        self.start = Settings().changed(**{**defaults, **self.fixed})
        if "volatility_unit" not in self.fixed and volatilities:
            self.start = self.start.changed(volatility_unit=volatility_unit(self.vendor))
        self.measure = Measure(self.vendor, self.is_pinned[rows], VOLATILITY_FACTORS[self.start.volatility_unit])

    def find(self) -> Found:
        coarse = sorted(
            ((self._loss(each, WIDTHS[0])[0], number, each) for number, each in enumerate(self._combinations())),
            key=lambda each: each[:2],
        )
        finalists: dict[tuple[str, ...], Settings] = {}
        for _, _, each in coarse:
            finalists.setdefault((each.model, each.forward, each.day_count, each.price), each)
            if len(finalists) == FINALISTS:
                break
        refined = [self._refine(each) for each in finalists.values()]
        best = min(refined, key=lambda each: each[0])
        even = [each for each in refined if each[0] <= best[0] + _even(best[0])]
        value, settings = min(even, key=lambda each: (_plainness(each[1]), each[0]))
        settings = self._rounded(settings)
        value, settings = self._loss(settings, WIDTHS[-1])
        value, settings = self._american(value, settings)
        return Found(
            settings=settings,
            loss=value,
            names=self._names(),
            worth=tuple(self._worth(settings, value)),
            columns=self.columns,
            pinned=int(self.is_pinned.sum()),
            tried=self.tried,
        )

    def _american(self, value: float, settings: Settings) -> tuple[float, Settings]:
        """Return American exercise, with the rate and yield that suit it, where that comes nearer.

        It is tried where options on a spot are not explained yet, on fewer legs, since each costs much more.
        """
        if "exercise" in self.fixed or settings.forward != ForwardSource.SPOT or value < EXPLAINED:
            return value, settings
        fixed = {name: getattr(settings, name) for name in NAMES if name not in BOUNDS} | self.fixed
        found = Search(self.computer, {**fixed, "exercise": AMERICAN}, AMERICAN_SAMPLE).find()
        self.tried += found.tried
        other = self._loss(found.settings, WIDTHS[-1])
        return other if other[0] < value - _even(value) else (value, settings)

    def _combinations(self) -> Iterable[Settings]:
        choices = {name: self._choices(name) for name in ("model", "forward", "day_count", "price")}
        for model, forward, day_count, price in itertools.product(*choices.values()):
            yields = YIELDS if forward == ForwardSource.SPOT else (self.start.dividend_yield,)
            for rate, dividend_yield in itertools.product(
                self._grid("rate", RATES), self._grid("dividend_yield", yields)
            ):
                yield self.start.changed(
                    model=model, forward=forward, day_count=day_count, price=price, rate=rate,
                    dividend_yield=dividend_yield,
                )  # fmt: skip

    def _choices(self, name: str) -> tuple[str | float, ...]:
        if name in self.fixed:
            return (self.fixed[name],)
        vendor = self.vendor
        if name == "forward":
            has_pairs = len(self.computer.pairs.calls) > 0
            given = {
                ForwardSource.SPOT.value: np.isfinite(vendor.spot).any(),
                ForwardSource.FUTURE.value: np.isfinite(vendor.future).any(),
                ForwardSource.PARITY.value: has_pairs,
            }
            return tuple(each for each, there in given.items() if there) or (ForwardSource.AUTO.value,)
        if name == "price":
            there = [each for each in PRICES if each not in ("bid", "ask") and self._has(each)]
            return (*there, *(["mid"] if self._has("bid") and self._has("ask") else ())) or ("auto",)
        return CHOICES[name]

    def _has(self, price: str) -> bool:
        return bool((getattr(self.vendor, price) > 0).any())

    def _grid(self, name: str, values: tuple[float, ...]) -> tuple[float, ...]:
        return (float(self.fixed[name]),) if name in self.fixed else values

    def _has_yield(self, model: str, forward: str) -> bool:
        """A yield matters where it carries a spot, and for bsm, whose delta it lowers."""
        return forward == ForwardSource.SPOT or model == Model.BSM

    def _loss(self, settings: Settings, width: float, *, units: bool = True) -> tuple[float, Settings]:
        """Return the loss, and the settings, with the units that make it least if `units`."""
        self.tried += 1
        ours = self.sample.compute(settings)
        if units:
            for column, names in _UNITS.items():
                if column in self.columns:
                    settings = self._with_units(settings, ours, column, names, width)
        return self.measure.loss(ours, settings, self.columns, width), settings

    def _with_units(
        self, settings: Settings, ours: OurColumns, column: str, units: tuple[str, ...], width: float
    ) -> Settings:
        choices = [self._choices(unit) for unit in units]
        options = [settings.changed(**dict(zip(units, each, strict=True))) for each in itertools.product(*choices)]
        losses = [self.measure.loss(ours, each, (column,), width) for each in options]
        least = min(losses)
        return next(each for each, found in zip(options, losses, strict=True) if found <= least + _even(least))

    def _refine(self, settings: Settings) -> tuple[float, Settings]:
        value = 1.0
        for step, width in zip(_STEPS, WIDTHS, strict=True):
            value, settings = self._loss(settings, width)
            for _ in range(4):
                before = value
                for direction in self._directions(settings):
                    for count in (-4, -3, -2, -1, 1, 2, 3, 4):
                        found = self._loss(_moved(settings, direction, step * count), width, units=False)
                        if found[0] < value - 1e-9:
                            value, settings = found
                            break
                if value >= before - 1e-6:
                    break
        return value, settings

    def _directions(self, settings: Settings) -> list[dict[str, float]]:
        """Return the moves to try: each number alone, and both, since a forward depends on rate less yield."""
        names = self._numbers(settings)
        alone = [{name: 1.0} for name in names]
        return alone if len(names) < 2 else [*alone, dict.fromkeys(names, 1.0), {names[0]: 1.0, names[1]: -1.0}]

    def _numbers(self, settings: Settings) -> list[str]:
        names = ["rate"]
        if self._has_yield(settings.model, settings.forward):
            names.append("dividend_yield")
        return [name for name in names if name not in self.fixed]

    def _rounded(self, settings: Settings) -> Settings:
        """Return the roundest numbers that are no worse."""
        value, settings = self._loss(settings, WIDTHS[-1])
        if len(self._numbers(settings)) > 1:  # no yield, with the rate that gives the same forward
            bare = {"rate": settings.rate - settings.dividend_yield, "dividend_yield": 0.0}
            found = self._loss(settings.changed(**bare), WIDTHS[-1])
            settings = found[1] if found[0] <= value + _even(value) else settings
        for name in self._numbers(settings):
            for step in (None, *_ROUND):
                number = 0.0 if step is None else round(round(getattr(settings, name) / step) * step, 6)
                found = self._loss(settings.changed(**{name: number}), WIDTHS[-1])
                if found[0] <= value + _even(value):
                    settings = found[1]
                    break
        return settings

    def _names(self) -> tuple[str, ...]:
        names = ["exercise", "model", "forward", "rate", "dividend_yield", "day_count", "price"]
        names += ["volatility_unit"] * ("implied_volatility" in self.columns)
        names += [unit for column, units in _UNITS.items() if column in self.columns for unit in units]
        return tuple(names)

    def _worth(self, settings: Settings, value: float) -> Iterable[Worth]:
        """Yield what each setting is worth, by the next best value for it. Rates and yields move by one point."""
        for name in self._names():
            if name in self.fixed or name == "volatility_unit":
                continue
            if name in BOUNDS:
                if name not in self._numbers(settings):
                    continue
                centre = getattr(settings, name)
                others: list[str | float] = [round(centre - 0.01, 6), round(centre + 0.01, 6)]
            else:
                options = self._choices(name)
                if name == "rho_holds":
                    options = ("model", "forward" if settings.model == Model.BSM else "spot")
                others = [each for each in options if each != getattr(settings, name)]
            found = []
            for other in others:
                changed = settings.changed(**{name: other})
                found.append((self._loss(changed, WIDTHS[-1], units=False)[0], other))
            if found:
                other_loss, other = min(found, key=lambda each: each[0])
                yield Worth(name, getattr(settings, name), other, value, other_loss)


def _moved(settings: Settings, direction: Mapping[str, float], step: float) -> Settings:
    moved = {name: getattr(settings, name) + sign * step for name, sign in direction.items()}
    return settings.changed(
        **{name: round(min(max(x, BOUNDS[name][0]), BOUNDS[name][1]), 6) for name, x in moved.items()}
    )


def _plainness(settings: Settings) -> tuple[int, ...]:
    """Return a key that puts the plainer of two equal explanations first."""
    order = [ForwardSource.FUTURE.value, ForwardSource.SPOT.value, ForwardSource.PARITY.value, ForwardSource.AUTO.value]
    natural = (settings.model == Model.BSM) == (settings.forward == ForwardSource.SPOT)
    exact = settings.day_count == DayCount.EXACT
    return (order.index(settings.forward), not natural, settings.dividend_yield != 0.0, exact)
