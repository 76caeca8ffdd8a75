"""The service's side of the sandbox: it starts processes, sends columns, and reads what hostile code answers."""
