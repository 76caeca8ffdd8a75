"""Exit with 7 where a filter of system calls holds, and root can be given up. It imports no library.

python -I -S -B probe.py ROOT UID
"""

import os
import platform
import sys

sys.path.append(sys.argv[1])

from signals.functions.inside import confine, seccomp

if os.geteuid() == 0:
    confine.become(int(sys.argv[2]))
seccomp.install(seccomp.program(platform.machine()))
try:
    os.open("/", os.O_RDONLY)
except PermissionError:
    os._exit(7)
os._exit(1)
