"""pandas' facade: columns and what computes with them, and not what reads, writes or evaluates text."""

import pandas as pd

from signals.functions.inside.by_name import checking_names
from signals.functions.inside.facades_numpy import of
from signals.functions.inside.stand_ins import Facade, Ignored, IgnoredBlock

_NAMES = """
BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DateOffset DatetimeIndex DatetimeTZDtype
Float32Dtype Float64Dtype Grouper Index IndexSlice Int16Dtype Int32Dtype Int64Dtype Int8Dtype Interval IntervalIndex
MultiIndex NA NaT NamedAgg Period PeriodDtype PeriodIndex RangeIndex Series StringDtype Timedelta TimedeltaIndex
Timestamp UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype array bdate_range concat cut date_range factorize from_dummies
get_dummies infer_freq interval_range isna isnull lreshape melt merge merge_asof merge_ordered notna notnull
period_range pivot qcut timedelta_range to_datetime to_numeric to_timedelta unique wide_to_long
"""
_OFFSETS = """
BDay BMonthBegin BMonthEnd BQuarterEnd BusinessDay Day Hour Minute MonthBegin MonthEnd QuarterBegin QuarterEnd Second
Week WeekOfMonth YearBegin YearEnd
"""
_TYPES = """
is_bool_dtype is_datetime64_any_dtype is_datetime64_dtype is_dict_like is_float is_float_dtype is_integer
is_integer_dtype is_list_like is_number is_numeric_dtype is_object_dtype is_scalar is_string_dtype is_timedelta64_dtype
"""
_ERRORS = """
DataError EmptyDataError IntCastingNaNError MergeError OutOfBoundsDatetime ParserError PerformanceWarning
SettingWithCopyWarning UnsortedIndexError
"""


def make_pandas() -> Facade:
    by_name = {name: checking_names(getattr(pd, name)) for name in ("pivot_table", "crosstab")}
    offsets = Facade("pandas.offsets", of(pd.offsets, _OFFSETS))
    types = Facade("pandas.api.types", of(pd.api.types, _TYPES))
    settings = {
        "options": Ignored(),
        "set_option": Ignored(),
        "reset_option": Ignored(),
        "option_context": IgnoredBlock,
    }
    return Facade(
        "pandas",
        of(pd, _NAMES)
        | by_name
        | settings
        | {
            "offsets": offsets,
            "tseries": Facade("pandas.tseries", {"offsets": offsets}),
            "api": Facade("pandas.api", {"types": types}),
            "errors": Facade("pandas.errors", of(pd.errors, _ERRORS)),
        },
    )
