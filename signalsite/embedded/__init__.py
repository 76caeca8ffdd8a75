"""PostgreSQL and Redis (Valkey) from wheels, for a machine that has neither.

`state` defines paths and addresses, and the settings use it. `keep_running` starts the servers and keeps them running
for the length of a block. `keeper` is the parent process of one server. `supervisor` runs the processes of
`manage.py up`. `heart` detects processes that have stalled, and `alive` does so in containers.
"""
