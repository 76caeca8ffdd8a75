"""PostgreSQL and Redis (Valkey) from wheels, for a machine that has neither.

`state` says where things are (the settings use it), `hold` starts the servers and keeps them while it is held, `keeper`
is the process that parents them, `supervisor` runs the processes of `manage.py up`. `heart` knows who of these stands
still; `alive` asks it in containers.
"""
