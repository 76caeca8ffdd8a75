"""Addresses of histories, under `historical/moneyness/`."""

from django.urls import path

from moneyness.history.views import AtmHistoryView, AtmRankView, LevelHistoryView

urlpatterns = [
    path("<path:underlying>/greeks/<str:moneyness_level>", LevelHistoryView.as_view(), name="historical-level"),
    path("<path:underlying>/atm-iv/history", AtmHistoryView.as_view(), name="historical-atm-iv"),
    path("<path:underlying>/atm-iv/rank", AtmRankView.as_view(), name="historical-atm-iv-rank"),
]
