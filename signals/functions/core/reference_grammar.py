"""How a function of a user is named: `mine/NAME`, `mine/NAME@VERSION`, or by its id, `version/UUID`. Pure."""

import re

from signals.functions.core.naming import NAME

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = "[1-9][0-9]{0,5}"
PATTERN = rf"^({NAME}|mine/{NAME}(@{_NUMBER})?|version/{_UUID})$"
"""Of these, and of the name of an internal function. For schemas."""
LONGEST = 80
MINE = re.compile(rf"mine/(?P<name>{NAME})(@(?P<number>{_NUMBER}))?", re.ASCII)
VERSION = re.compile(rf"version/(?P<id>{_UUID})", re.ASCII)
