from django.apps import AppConfig


class SignalsiteConfig(AppConfig):
    name = "signalsite"
    verbose_name = "Signal Service"

    def ready(self) -> None:
        from signalsite import celery  # noqa: F401 - shared tasks bind to the first Celery application
