"""Health check of the web container: exit status 0 when /health answers 200."""

import os
import urllib.request

# Django answers only to the names it was given; one like `.example.org` stands for all below it.
host = os.environ["ALLOWED_HOSTS"].split(",")[0].strip().lstrip(".")
request = urllib.request.Request("http://127.0.0.1:8000/health", headers={"Host": host})
urllib.request.urlopen(request, timeout=4)
