"""The registry of computations. Installed apps declare them in a module or package named `computations`."""

import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from signalsite.foundation.computations.columns import OK
from signalsite.foundation.computations.contract import Computation, Parameter
from signalsite.foundation.computations.option_fields import NAMES
from signalsite.foundation.errors import ConfigurationError, Conflict, InvalidInput

MODULE = "computations"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class BadDeclaration(ConfigurationError):
    """A declaration contradicts itself or another one."""


class UnknownComputation(Conflict):
    """No computation has this name."""


@cache
def computations() -> Mapping[str, Computation]:
    """Return all computations by name, found once per process. Raises BadDeclaration."""
    return register(_declared())


def find(name: str) -> Computation:
    """Return a computation. Raises UnknownComputation when its app is not installed any more."""
    if (found := computations().get(name)) is None:
        raise UnknownComputation(f"there is no computation {name!r} any more")
    return found


def register(declared: Iterable[type[Computation]]) -> dict[str, Computation]:
    found: dict[str, Computation] = {}
    for each in declared:
        computation = each()
        check(computation)
        if other := found.get(computation.name):
            raise BadDeclaration(f"{_where(each)} and {_where(type(other))} are both named {computation.name!r}")
        found[computation.name] = computation
    return found


def check(computation: Computation) -> None:
    """Raise BadDeclaration for a repeated name, or a default that is not allowed."""
    where = _where(type(computation))
    columns = [column.name for column in computation.file_columns]
    kind = computation.item_kind
    overrides = [kind.column.name, "custom_id", *(sorted(NAMES) if kind.by_terms else ()), *computation.bounds]
    words = [OK, *(status.word for status in computation.statuses)]
    parameters = [parameter.name for parameter in computation.parameters]
    for names in ([computation.name], columns, overrides, words, parameters):
        for name, count in Counter(names).items():
            if count > 1:
                raise BadDeclaration(f"{where}: {name!r} stands {count} times among {', '.join(names)}")
            if not _NAME.fullmatch(name):
                raise BadDeclaration(f"{where}: {name!r} is no name: {_NAME.pattern}")
    for parameter in computation.parameters:
        if parameter.type in (float, int) and parameter.bounds is None:
            raise BadDeclaration(f"{where}: {parameter.name} has no bounds")
        values = parameter.default if parameter.most else [parameter.default]
        for value in values:
            if value is None and parameter.nullable:
                continue
            if parameter.bounds is not None and not parameter.bounds.admits(value):
                raise BadDeclaration(f"{where}: the default {value!r} of {parameter.name} is outside its bounds")
            if parameter.form is not None:
                _check_form(parameter, value, where)
            elif parameter.type is str and value not in parameter.choices:
                raise BadDeclaration(f"{where}: the default {value!r} of {parameter.name} is none of its choices")
        if parameter.picks_columns and (parameter.type is not str or not parameter.most):
            raise BadDeclaration(f"{where}: {parameter.name} picks columns and is no list of choices")
        if parameter.picks_columns and (
            missing := set(parameter.choices) - {each.name for each in computation.columns}
        ):
            raise BadDeclaration(f"{where}: {parameter.name} picks columns that are not declared: {sorted(missing)}")
        if parameter.most and len(values) > parameter.most:
            raise BadDeclaration(f"{where}: the default of {parameter.name} is longer than {parameter.most}")


def _check_form(parameter: Parameter, value: Any, where: str) -> None:
    assert parameter.form is not None
    try:
        parameter.form.check(value)
    except InvalidInput as error:
        raise BadDeclaration(f"{where}: {parameter.name} does not allow its own default {value!r}: {error}") from error


def _declared() -> Iterator[type[Computation]]:
    for module in _modules():
        for value in vars(module).values():
            own = inspect.isclass(value) and value.__module__ == module.__name__  # not imported from elsewhere
            if own and issubclass(value, Computation) and not inspect.isabstract(value):
                yield value


def _modules() -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        if app.module is not None and module_has_submodule(app.module, MODULE):
            module = import_module(f"{app.name}.{MODULE}")
            yield module
            for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
                yield import_module(f"{module.__name__}.{inner.name}")


def _where(declared: type[Computation]) -> str:
    return f"{declared.__module__}.{declared.__qualname__}"
