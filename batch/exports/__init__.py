"""Job results as files and streams: NDJSON, CSV, Parquet and Arrow, a page at a time."""
