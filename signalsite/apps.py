from django.apps import AppConfig


class SignalsiteConfig(AppConfig):
    name = "signalsite"
    verbose_name = "Signal Service"
