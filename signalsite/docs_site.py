"""Serves the docs site at /docs/ where `make docs` has built it. It is open to strangers, as /api/docs is."""

import mimetypes
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition, require_safe

NOT_BUILT = "The docs site is not built here. Run `make docs`, or read the pages in the folder docs/.\n"
NO_PAGE = "There is no such page. The docs begin at /docs/.\n"
TEXT = "text/plain; charset=utf-8"
TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}  # whatever the host's own table says


def _etag(request: HttpRequest, path: str = "") -> str | None:
    try:
        file = _file(path)
        stat = file.stat() if file is not None else None
    except OSError:  # `make docs` replaces it meanwhile
        return None
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"' if stat is not None else None


@require_safe
@condition(etag_func=_etag)
def docs_site(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer a file of the built site. A folder means its index.html, and has a slash at its end."""
    if path and not path.endswith("/") and _file(f"{path}/") is not None:
        return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
    try:
        file = _file(path)
        content = file.read_bytes() if file is not None else b""
    except OSError:  # `make docs` replaces it meanwhile
        file = None
    if file is None:
        built = (settings.DOCS_SITE / "index.html").is_file()
        return HttpResponse(NO_PAGE if built else NOT_BUILT, TEXT, status=404)
    answer = HttpResponse(content, _content_type(file))
    patch_cache_control(answer, no_cache=True)  # browsers ask again, and get a 304
    return answer


def _file(path: str) -> Path | None:
    """The file of the site that an address means. None for anything outside it, and for hidden files."""
    root: Path = settings.DOCS_SITE.resolve()
    *folders, name = path.split("/")
    if not all(folders) or any(part.startswith(".") for part in (*folders, name)):
        return None
    try:
        file = (root / path / ("" if name else "index.html")).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, a loop of links, a NUL byte
        return None


def _content_type(file: Path) -> str:
    found = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found
