"""What a job can compute. A new computation is a new Kind in this registry, not a new system."""

from batch.kinds.base import Kind
from batch.kinds.greeks import GreeksKind

KINDS: dict[str, Kind] = {kind.name: kind for kind in (GreeksKind(),)}
