"""The admin's sign-in page, with the same limits on attempts as the API."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from signalsite.accounts.backend import SignInRefused


class SignInForm(AdminAuthenticationForm):
    refusal: SignInRefused | None = None

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except SignInRefused as refusal:
            self.refusal = refusal
            raise ValidationError(str(refusal.detail).capitalize() + ".", code="refused") from refusal


class Site(AdminSite):
    login_form = SignInForm

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """With what the service does now, for those who may see its jobs."""
        from signalsite.dashboard import read_dashboard  # the admin site exists before the models do

        dashboard = read_dashboard() if request.user.has_perm("batch.view_job") else None
        return super().index(request, {**(extra_context or {}), "dashboard": dashboard})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, SignInForm) and form.refusal is not None:
            response.status_code = form.refusal.status_code
            response["Retry-After"] = str(int(form.refusal.wait) + 1)
        return response
