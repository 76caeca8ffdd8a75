"""Export the results of a configuration as one stream (docs/exports.md)."""

import uuid

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from batch.configs import selectors
from batch.configs.result_files import ResultFile
from batch.configs.serializers import ConfigurationResultsRangeSerializer
from batch.configs.views import PREFIX, TAGS, results_asked
from batch.exports.negotiation import ErrorsAsProblems
from batch.exports.ranges import file_response, format_field
from batch.exports.responses import STREAM
from signalsite.foundation.serializers import read_query


class ConfigurationResultsExportQuerySerializer(ConfigurationResultsRangeSerializer):
    format = format_field()


class ConfigurationResultsExportView(APIView):
    content_negotiation_class = ErrorsAsProblems

    @extend_schema(
        tags=TAGS,
        parameters=[ConfigurationResultsExportQuerySerializer],
        responses=STREAM,
        operation_id=f"{PREFIX}_results_export",
        summary="What a configuration gave, the oldest first, as a file: a column for each value, reasons beside",
    )
    def get(self, request: Request, config_id: uuid.UUID) -> HttpResponseBase:
        found = selectors.get_configuration(request.user, config_id)
        query = read_query(ConfigurationResultsExportQuerySerializer, request)
        file = ResultFile(found.pk, results_asked(query))
        name = f"configuration-{found.pk}-results"
        return file_response(request, query.get("format", ""), name, file.columns, lambda _: file.parts())
