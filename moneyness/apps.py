from django.apps import AppConfig


class MoneynessConfig(AppConfig):
    name = "moneyness"
    verbose_name = "Moneyness"
