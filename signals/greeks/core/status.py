"""Why an item has no value: the closed list of statuses that the engine returns instead of raising."""

from enum import IntEnum


class Status(IntEnum):
    """Status of one element of a pricing call. Anything but OK comes with NaN in every value column."""

    OK = 0
    BELOW_INTRINSIC = 1  # price under the discounted intrinsic value: no volatility can explain it
    ABOVE_MAXIMUM = 2  # price at or over the most the option can be worth (discounted forward or strike)
    NO_TIME_VALUE = 3  # price equals intrinsic to double precision: volatility is undefined
    NO_PRICE = 4  # no usable quote of the option
    NO_UNDERLYING = 5  # no forward could be found from the named source
    EXPIRED = 6  # at or past the exact expiry moment
    BAD_INPUT = 7  # not a finite positive number where one is needed, or an unusable request item
    NOT_CONVERGED = 8  # neither our solver nor py_vollib's found a volatility
    STRIKES_DISAGREE = 9  # the strikes of this expiry disagree about its forward, and it has no future

    @property
    def word(self) -> str:
        return self.name.lower()
