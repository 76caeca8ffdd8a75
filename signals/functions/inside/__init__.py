"""What runs inside the sandbox: a fresh process without Django imports it, and it imports nothing of the service."""
