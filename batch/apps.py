from django.apps import AppConfig


class BatchConfig(AppConfig):
    name = "batch"
    verbose_name = "Batch"

    def ready(self) -> None:
        from batch import metrics, progress

        metrics.register()
        progress.register_topic()
