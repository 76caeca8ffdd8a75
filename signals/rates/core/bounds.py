"""What can be a rate, a tenor, a date, an amount or a currency, for files and for the admin."""

from datetime import date

LOWEST_RATE, HIGHEST_RATE = -0.5, 1.0  # as the parameter `rate` has them
LONGEST_TENOR = 36_500  # days: a hundred years
HIGHEST_AMOUNT = 1e12
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)
CURRENCY = r"[A-Z][A-Z0-9]{2,9}"
