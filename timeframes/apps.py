from django.apps import AppConfig


class TimeframesConfig(AppConfig):
    name = "timeframes"
    verbose_name = "Timeframes"
