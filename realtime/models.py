"""Open sockets, as the web processes list them, and the position in the stream of configurations."""

from django.db import models


class SocketProcess(models.Model):
    """A web process with sockets. It says that it lives; the rows of one that does not are deleted."""

    name = models.TextField(primary_key=True, help_text="Host, process id, and a part that is never the same.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When the process last wrote: it had the sockets below then.")

    class Meta:
        db_table = "signal_websocket_processes"
        verbose_name_plural = "socket processes"

    def __str__(self) -> str:
        return self.name


class WebsocketSubscription(models.Model):
    """One open socket and what it is subscribed to. Not a foreign key to the user, whose deletion closes the socket."""

    id = models.UUIDField(primary_key=True, editable=False)
    process = models.ForeignKey(SocketProcess, on_delete=models.CASCADE, related_name="sockets")
    user_id = models.BigIntegerField()
    client_id = models.TextField(blank=True, help_text="What the client calls itself.")
    topics = models.JSONField(help_text="The first of its topics.")
    subscriptions = models.IntegerField(help_text="How many topics it is subscribed to.")
    opened_at = models.DateTimeField()
    changed_at = models.DateTimeField(help_text="When its subscriptions were last written.")

    class Meta:
        db_table = "signal_websocket_subscriptions"
        indexes = [models.Index(fields=["user_id"], name="websocket_user")]

    def __str__(self) -> str:
        return f"socket {self.id} of user {self.user_id}"


class ConfigStreamPosition(models.Model):
    """How far a stream of configurations is kept: written in the transaction that keeps them, so none is kept twice."""

    stream = models.TextField(primary_key=True)
    entry_id = models.TextField(default="0-0", help_text="The newest entry that is kept or refused.")
    refused = models.JSONField(default=dict, help_text="Of the newest batch: entry ID and why it was refused.")

    class Meta:
        db_table = "signal_config_stream_positions"

    def __str__(self) -> str:
        return f"{self.stream} up to {self.entry_id}"
