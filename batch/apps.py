from django.apps import AppConfig


class BatchConfig(AppConfig):
    name = "batch"
    verbose_name = "Batch"

    def ready(self) -> None:
        from batch.jobs import progress
        from signalsite.foundation.computations.registry import computations

        progress.register_topic()
        computations()  # contradictory declarations must stop the process at startup
