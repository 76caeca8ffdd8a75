"""The instrument service that the settings choose: the external one, or our own tables."""

from django.conf import settings

from moneyness.instrument_service.contract import InstrumentServiceClient
from moneyness.instrument_service.external import ExternalInstrumentService
from moneyness.instrument_service.mapping_cache import CachedMappings
from moneyness.instrument_service.own import NewestSmile, OwnInstrumentService


def instrument_service(newest: NewestSmile | None = None) -> InstrumentServiceClient:
    """`newest`: how our own service reads live states, which belong to an app above this one."""
    if settings.INSTRUMENT_SERVICE_URL:
        return ExternalInstrumentService(settings.INSTRUMENT_SERVICE_URL, settings.INSTRUMENT_SERVICE_TOKEN)
    return OwnInstrumentService(newest)


def mappings(service: InstrumentServiceClient) -> CachedMappings:
    return CachedMappings(service, settings.INSTRUMENT_SERVICE_URL or "own")
