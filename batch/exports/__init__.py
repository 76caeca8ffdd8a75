"""Export job results as files and streams, page by page: NDJSON, CSV, Parquet and Arrow."""
