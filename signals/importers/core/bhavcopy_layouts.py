"""The layouts of end-of-day derivatives files, and how to tell them apart.

| layout  | who writes it                              | what it lacks                                  |
|---------|--------------------------------------------|------------------------------------------------|
| legacy  | NSE until July 2024, vendors to this day   | lot size, last price, underlying's price       |
| summary | NSE's daily zip: foDDMMYYYY, opDDMMYYYY    | the date, untraded contracts, settlement, last |
| udiff   | NSE and BSE since July 2024                | nothing                                        |
"""

from dataclasses import dataclass

from signalsite.foundation.errors import InvalidInput


class NotABhavcopy(InvalidInput):
    """The text has none of the known layouts."""

    def __init__(self, message: str) -> None:
        super().__init__("file", message)


@dataclass(frozen=True)
class Layout:
    """The column of each value. A file does not give a value whose column it lacks, or whose column has no name."""

    name: str
    instrument: str
    symbol: str
    expiry: str
    strike: str
    right: str
    close: str
    contracts: str
    open_interest: str
    date_format: str
    trade_date: str = ""
    exchange: str = ""
    actual_expiry: str = ""
    settle: str = ""
    last: str = ""
    quantity: str = ""
    turnover_lakh: str = ""
    low: str = ""
    high: str = ""
    lot_size: str = ""
    underlying_price: str = ""

    @property
    def required(self) -> list[str]:
        columns = [self.instrument, self.symbol, self.expiry, self.close, self.contracts, self.open_interest]
        return [column for column in (*columns, self.trade_date) if column]


LEGACY = Layout(
    name="legacy",
    instrument="INSTRUMENT",
    symbol="SYMBOL",
    expiry="EXPIRY_DT",
    strike="STRIKE_PR",
    right="OPTION_TYP",
    close="CLOSE",
    settle="SETTLE_PR",
    contracts="CONTRACTS",
    open_interest="OPEN_INT",
    turnover_lakh="VAL_INLAKH",
    low="LOW",
    high="HIGH",
    trade_date="TIMESTAMP",
    date_format="%d-%b-%Y",
)
SUMMARY = Layout(
    name="summary",
    instrument="INSTRUMENT",
    symbol="SYMBOL",
    expiry="EXP_DATE",
    strike="STR_PRICE",
    right="OPT_TYPE",
    close="CLOSE_PRICE",
    contracts="NO_OF_CONT",
    quantity="TRD_QTY",
    open_interest="OPEN_INT*",
    date_format="%d/%m/%Y",
)
UDIFF = Layout(
    name="udiff",
    instrument="FinInstrmTp",
    symbol="TckrSymb",
    expiry="XpryDt",
    actual_expiry="FininstrmActlXpryDt",
    strike="StrkPric",
    right="OptnTp",
    close="ClsPric",
    settle="SttlmPric",
    last="LastPric",
    contracts="TtlTradgVol",
    open_interest="OpnIntrst",
    lot_size="NewBrdLotQty",
    underlying_price="UndrlygPric",
    trade_date="TradDt",
    exchange="Src",
    date_format="%Y-%m-%d",
)
LEGACY_COLUMNS = (
    *("INSTRUMENT", "SYMBOL", "EXPIRY_DT", "STRIKE_PR", "OPTION_TYP", "OPEN", "HIGH", "LOW", "CLOSE", "SETTLE_PR"),
    *("CONTRACTS", "VAL_INLAKH", "OPEN_INT", "CHG_IN_OI", "TIMESTAMP"),
)
FUTURES = frozenset({"FUTIDX", "FUTSTK", "FUTIVX", "IDF", "STF"})
OPTIONS = frozenset({"OPTIDX", "OPTSTK", "IDO", "STO"})


def recognise(first_line: str) -> tuple[Layout, list[str], bool]:
    """Return (layout, column names, whether the line is a header) of the file that begins with `first_line`.

    Raises NotABhavcopy, which says what is missing.
    """
    fields = [field.strip().strip('"') for field in first_line.split(",")]
    while fields and not fields[-1]:
        fields.pop()
    if fields and fields[0] in FUTURES | OPTIONS and len(fields) == len(LEGACY_COLUMNS):
        return LEGACY, list(LEGACY_COLUMNS), False
    for layout in (LEGACY, SUMMARY, UDIFF):
        if {layout.instrument, layout.symbol, layout.expiry} <= set(fields):
            missing = [column for column in layout.required if column not in fields]
            if missing:
                raise NotABhavcopy(f"the header of this {layout.name} bhavcopy lacks {', '.join(missing)}")
            return layout, fields, True
    raise NotABhavcopy(
        "this is no bhavcopy: its first line is neither the header of NSE's legacy, daily-zip or UDiFF file nor a"
        f" legacy row of {len(LEGACY_COLUMNS)} fields, but {first_line[:60]!r}"
    )
