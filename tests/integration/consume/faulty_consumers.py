"""consume_ticks with a fault built in, each a script for `python -c`."""

_RUN = """
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "consume_ticks", *sys.argv[1:]])
"""
# Dies at the third batch, or that of KILL_AT: before its ticks are committed, after that and before they are
# acknowledged, or after both.
KILLED = (
    """
import os, sys
import django
django.setup()
import realtime.ticks.live_bars as module
from realtime.ticks.effects import Effects
where, at, calls = os.environ["KILL"], int(os.environ.get("KILL_AT", "3")), 0
store, commit = module.store_ticks, Effects.commit
def die():
    os.kill(os.getpid(), 9)
def storing(*arguments):
    global calls
    calls += 1
    if where == "before" and calls == at:
        die()
    store(*arguments)
def committing(*arguments):
    if where == "between" and calls == at:
        die()
    answer = commit(*arguments)
    if where == "after" and calls == at:
        die()
    return answer
module.store_ticks, Effects.commit = storing, committing
"""
    + _RUN
)
# Handling raises on one price, whenever it comes: a fault of ours, not of the tick's.
POISONED = (
    """
import sys
import django
django.setup()
from realtime.ticks.core.book import Book
apply = Book.apply
def applying(self, ticks, quotes):
    if any(tick.fields.ltp == 10_666 for tick in ticks):
        raise ArithmeticError("poison")
    return apply(self, ticks, quotes)
Book.apply = applying
"""
    + _RUN
)
# The same where ticks are written, in another thread.
UNWRITABLE = (
    """
import sys
import django
django.setup()
import realtime.ticks.live_bars as module
store = module.store_ticks
def storing(model, ticks):
    if any(tick.fields.ltp == 10_666 for tick in ticks):
        raise ArithmeticError("poison")
    store(model, ticks)
module.store_ticks = storing
"""
    + _RUN
)
# No fault: at its end it says of how many contracts it keeps a decoded key.
COUNTED = (
    """
import gc, sys
import django
django.setup()
from realtime.ticks.core.tick import Contract
from realtime.ticks.consumer import TickConsumer
leave = TickConsumer._leave
def leaving(self):
    leave(self)
    gc.collect()
    print("contracts kept:", sum(isinstance(each, Contract) for each in gc.get_objects()), file=sys.stderr)
TickConsumer._leave = leaving
"""
    + _RUN
)
# The first transaction that acknowledges is done, and its answer does not come: what the library makes of a time-out.
UNANSWERED = (
    """
import sys
import django
import redis
django.setup()
execute, lost = redis.client.Pipeline._execute_transaction, []
def executing(self, connection, commands, raise_on_error):
    answers = execute(self, connection, commands, raise_on_error)
    if not lost and any(command[0][0] == "XACK" for command in commands):
        lost.append(True)
        self.watching = True  # it forgets that with the answer
        raise redis.TimeoutError("no answer")
    return answers
redis.client.Pipeline._execute_transaction = executing
"""
    + _RUN
)
# No fault: it reads rates, dividends and settings of underlyings every fifth of a second.
HASTY = (
    """
import sys
import django
django.setup()
import realtime.ticks.consumer as module
module.TERMS_SECONDS = 0.2
"""
    + _RUN
)
