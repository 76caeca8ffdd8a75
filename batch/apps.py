from django.apps import AppConfig


class BatchConfig(AppConfig):
    name = "batch"
    verbose_name = "Batch"

    def ready(self) -> None:
        from batch import progress

        progress.register_topic()
