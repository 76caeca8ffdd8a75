"""How Sphinx builds the docs site: `make docs` writes it to docs/_build/html, and the service serves it at /docs/.

Pages are plain Markdown that also reads well in a repository browser. So the order of the sidebar is here and not in
directives of the index, and a page that nobody listed still gets its place.
"""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]
# The API reference imports the code. It needs no server, no secret and no compiled kernel.
os.environ["DJANGO_SETTINGS_MODULE"] = "signalsite.settings"
os.environ["SIGNALSITE_ENV"] = "development"
os.environ.setdefault("SECRET_KEY", "for the build of the docs only, which signs nothing")
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

import django  # noqa: E402

django.setup()

project = "Signal Service"
html_title = project
author = copyright = ""
extensions = ["myst_parser", "sphinx.ext.autodoc", "site_build"]
exclude_patterns = ["_build"]
language = "en"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "substitution"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
autodoc_preserve_defaults = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_use_index = True
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# The sidebar: a caption and its pages. Pages of docs/ that are not named here follow under "More".
sidebar = {
    "Start": ["guide", "integrators", "client", "browser"],
    "Use": [
        "listing",
        "batch-api",
        "computations",
        "functions",
        "exports",
        "webhooks",
        "live",
        "websocket",
        "bars",
        "history",
        "positions",
        "instrument-service",
        "indicators",
        "data",
        "imports",
        "compare",
    ],
    "Run": ["operations", "runbook", "troubleshooting", "settings", "security", "reliability", "performance"],
    "Understand": ["architecture", "engine", "american", "forwards", "chain", "smile", "glossary", "reference/index"],
}
