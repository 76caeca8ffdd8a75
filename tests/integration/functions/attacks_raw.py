"""What an escape from the language finds: plain Python with all builtins, behind the outer wall alone."""

from tests.integration.functions.attacks import body

_ESCAPED = "import os, sys, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
RAW = {
    # Each line runs in plain Python with every builtin. `666` is the attack's success.
    "open_passwd": body("return 666 if open('/etc/passwd').read() else 0"),
    "open_to_write": body("open('/tmp/functions-were-here', 'w').write('x')\nreturn 666"),
    "environment_of_process": body("return 666 if open('/proc/self/environ').read() else 0"),
    "environment": body(
        "import os\nreturn 666 if any('SECRET' in k or 'DATABASE' in k or 'PATH' in k for k in os.environ) else 0"
    ),
    "memory_of_process": body("return 666 if open('/proc/self/mem', 'rb') else 0"),
    "memory_of_parent": body("import os\nreturn 666 if open(f'/proc/{os.getppid()}/mem', 'rb') else 0"),
    "list_files": body("import os\nreturn 666 if os.listdir('/') else 0"),
    "stat": body("import os\nreturn 666 if os.stat('/etc/passwd') else 0"),
    "unlink": body("import os\nos.unlink('/tmp/functions-keep')\nreturn 666"),
    "mkdir": body("import os\nos.mkdir('/tmp/functions-were-here')\nreturn 666"),
    "chdir": body("import os\nos.chdir('/')\nreturn 666"),
    "socket": body("import socket\nsocket.socket()\nreturn 666"),
    "socket_pair": body("import socket\nsocket.socketpair()\nreturn 666"),
    "fork": body("import os\nos.fork()\nreturn 666"),
    "fork_bomb": body("import os\nwhile True:\n    os.fork()"),
    "thread": body("import _thread, time\n_thread.start_new_thread(lambda: None, ())\nreturn 666"),
    "exec": body("import os\nos.execv('/bin/sh', ['sh'])\nreturn 666"),
    "system": body("import os\nreturn 666 if os.system('true') == 0 else 0"),
    "subprocess": body("import subprocess\nsubprocess.run(['true'])\nreturn 666"),
    "kill_parent": body("import os\nos.kill(os.getppid(), 9)\nreturn 666"),
    "kill_all": body("import os\nos.kill(-1, 9)\nreturn 666"),
    "kill_by_call": _ESCAPED + body("return 666 if libc.syscall(62, 1, 0) == 0 else 0"),
    "ptrace": _ESCAPED + body("return 666 if libc.ptrace(0, 0, 0, 0) == 0 else 0"),
    "read_other_memory": _ESCAPED + body("return 666 if libc.process_vm_readv(1, None, 0, None, 0, 0) >= 0 else 0"),
    "open_by_call": _ESCAPED + body("return 666 if libc.open(b'/etc/passwd', 0) >= 0 else 0"),
    "openat_by_call": _ESCAPED + body("return 666 if libc.syscall(257, -100, b'/etc/passwd', 0) >= 0 else 0"),
    "openat2_by_call": _ESCAPED
    + body("return 666 if libc.syscall(437, -100, b'/etc/passwd', b'\\0' * 24, 24) >= 0 else 0"),
    "creat_by_call": _ESCAPED + body("return 666 if libc.syscall(85, b'/tmp/functions-were-here', 511) >= 0 else 0"),
    "x32_call": _ESCAPED + body("return 666 if libc.syscall(0x40000000 + 2, b'/etc/passwd', 0) >= 0 else 0"),
    "memfd": _ESCAPED + body("return 666 if libc.memfd_create(b'x', 0) >= 0 else 0"),
    "io_uring": _ESCAPED + body("return 666 if libc.syscall(425, 8, b'\\0' * 120) >= 0 else 0"),
    "bpf": _ESCAPED + body("return 666 if libc.syscall(321, 0, None, 0) >= 0 else 0"),
    "unshare": _ESCAPED + body("return 666 if libc.unshare(0x10000000) == 0 else 0"),
    "mount": _ESCAPED + body("return 666 if libc.mount(b'x', b'/', b'tmpfs', 0, None) == 0 else 0"),
    "set_clock": body("import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\nreturn 666"),
    "set_time": _ESCAPED + body("return 666 if libc.settimeofday(b'\\0' * 16, None) == 0 else 0"),
    "setuid": body("import os\nos.setuid(0)\nreturn 666"),
    "executable_memory": _ESCAPED
    + body(
        "libc.mmap.restype = ctypes.c_void_p\nreturn 666 if libc.mmap(None, ctypes.c_size_t(4096), 7, 34, -1, 0) not in (None, 2**64 - 1) else 0"
    ),
    "protect_executable": _ESCAPED
    + body(
        "libc.mmap.restype = ctypes.c_void_p\nat = libc.mmap(None, ctypes.c_size_t(4096), 3, 34, -1, 0)\nreturn 666 if libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(4096), 5) == 0 else 0"
    ),
    "prctl": _ESCAPED + body("return 666 if libc.prctl(4, 1, 0, 0, 0) == 0 else 0"),
    "every_other_call": _ESCAPED
    + body(
        "quiet = {0, 1, 3, 9, 10, 11, 12, 15, 24, 25, 28, 60, 96, 202, 219, 228, 231, 318}\n"
        "deadly = {56, 57, 58, 59, 41, 42, 44, 46, 49, 53, 62, 101, 105, 106, 117, 119, 126, 129, 155, 161, 164, 165, 166}\n"
        "deadly |= {169, 175, 200, 227, 234, 246, 248, 249, 250, 272, 298, 305, 308, 310, 311, 313, 319, 321, 322, 323}\n"
        "deadly |= {424, 425, 434, 435, 438}\n"
        "for number in set(range(470)) - quiet - deadly:\n"
        "    if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 1:\n        return 666"
    ),
    "priority_inheritance": _ESCAPED
    + body("return 666 if libc.syscall(202, ctypes.byref(ctypes.c_int()), 6, 0, None, None, 0) == 0 else 0"),
    "requeue": _ESCAPED
    + body(
        "w = ctypes.c_int()\nreturn 666 if libc.syscall(202, ctypes.byref(w), 3, 1, 1, ctypes.byref(w), 0) >= 0 else 0"
    ),
    "limits_of_the_parent": _ESCAPED + body("return 666 if libc.syscall(302, 1, 7, None, b'\\0' * 16) == 0 else 0"),
    "signal_by_handle": _ESCAPED + body("return 666 if libc.syscall(424, 11, 9, None, 0) == 0 else 0"),
    "signal_a_thread": _ESCAPED + body("return 666 if libc.syscall(234, 1, 1, 0) == 0 else 0"),
    "stop_itself": _ESCAPED + body("libc.raise_(19) if False else libc.syscall(62, 0, 19)\nreturn 666"),
    "wait_for_ever": _ESCAPED
    + body("libc.syscall(202, ctypes.byref(ctypes.c_int()), 0, 0, None, None, 0)\nreturn 666"),
    "pipe_made_larger": body("import fcntl\nfcntl.fcntl(11, 1031, 1 << 24)\nreturn 666"),
    "pipe_made_asynchronous": body("import fcntl\nfcntl.fcntl(11, 4, 0o20000)\nreturn 666"),
    "second_filter": _ESCAPED + body("return 666 if libc.syscall(317, 1, 0, b'\\0' * 16) == 0 else 0"),
    "processor": body("import os\nos.sched_setaffinity(0, {0})\nreturn 666"),
    "priority": body("import os\nos.nice(-5)\nreturn 666"),
    "key": _ESCAPED + body("return 666 if libc.syscall(250, 0, -3, 1) >= 0 else 0"),
    "user_faults": _ESCAPED + body("return 666 if libc.syscall(323, 0) >= 0 else 0"),
    "shared_memory": _ESCAPED + body("return 666 if libc.shmget(0x51, 4096, 0o1666) >= 0 else 0"),
    "message_queue": _ESCAPED + body("return 666 if libc.syscall(240, b'/x', 0o102, 0o600, None) >= 0 else 0"),
    "memory_of_a_file": _ESCAPED
    + body(
        "libc.mmap.restype = ctypes.c_void_p\nreturn 666 if libc.mmap(None, ctypes.c_size_t(4096), 1, 2, 10, 0) != 2**64 - 1 else 0"
    ),
    "exit_handlers": body("import atexit\natexit.register(lambda: open('/tmp/functions-were-here', 'w'))\nreturn 1.0"),
    "collector_hooks": body("import gc\ngc.callbacks.append(lambda *a: [0] * 10**9)\ngc.collect()\nreturn 1.0"),
    "tracing": body("import sys\ndef t(*a):\n    while True: pass\nsys.settrace(t)\nreturn (lambda: 666)()"),
    "raise_limits": body("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nreturn 666"),
    "timer": body("import signal\nreturn 666 if signal.setitimer(signal.ITIMER_REAL, 1) else 0"),
    "handle_signal": body("import signal\nsignal.signal(signal.SIGTERM, lambda *a: None)\nreturn 666"),
    "sleep": body("import time\ntime.sleep(3600)\nreturn 666"),
    "sleep_on_a_lock": body("import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()\nreturn 666"),
    "wait_for_more": body("import os\nos.read(10, 1)\nreturn 666"),
    "descriptors": body(
        "import os\nfound = 0\nfor fd in range(1024):\n    if fd in (10, 11):\n        continue\n    try:\n        os.read(fd, 1)\n        found += 1\n    except OSError:\n        pass\nreturn 666 if found else 0"
    ),
    "write_elsewhere": body(
        "import os\nfound = 0\nfor fd in range(1024):\n    if fd == 11:\n        continue\n    try:\n        os.write(fd, b'x')\n        found += 1\n    except OSError:\n        pass\nreturn 666 if found else 0"
    ),
    "write_to_terminal": body("import sys\nsys.stderr.write('x')\nreturn 666"),
    "modules_of_the_service": body(
        "import sys\nreturn 666 if any(n.partition('.')[0] in ('django', 'signalsite', 'redis', 'psycopg') for n in sys.modules) else 0"
    ),
    "import_the_service": body("import signalsite.settings\nreturn 666"),
    "secrets_in_memory": body(
        "import gc\nreturn 666 if any(isinstance(o, dict) and 'SECRET_KEY' in o for o in gc.get_objects()) else 0"
    ),
    # forged frames
    "forged_garbage": body("import os\nos.write(11, b'x' * 100)\nreturn 1.0"),
    "forged_huge_length": body("import os\nos.write(11, b'SGF1' + b'\\xff' * 8)\nreturn 1.0"),
    "forged_numbers": body(
        "import os, struct\nos.write(11, struct.pack('<4sII', b'SGF1', 2, 16) + b'{}' + b'x' * 16)\nreturn 1.0"
    ),
    "forged_deep_json": body(
        "import os, struct\nm = b'[' * 9000 + b']' * 7000\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 0) + m)\nreturn 1.0"
    ),
    "forged_shape": body(
        "import os, struct, json\nm = json.dumps({'parts': [['a', 'table', [2**40, 2**40]]], 'several': True, 'printed': ''}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 0) + m)\nreturn 1.0"
    ),
    "forged_negative_shape": body(
        "import os, struct, json\nm = json.dumps({'parts': [['a', 'table', [-1, -1]]], 'several': True, 'printed': ''}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 8) + m + b'x' * 8)\nreturn 1.0"
    ),
    "forged_names": body(
        "import os, struct, json\nm = json.dumps({'parts': [['a', 'nothing', []]] * 300, 'several': True, 'printed': ''}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 2400) + m + bytes(2400))\nreturn 1.0"
    ),
    "forged_error_rows": body(
        "import os, struct, json\nm = json.dumps({'error': 'x', 'rows': [[1, 'x']] * 500}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 0) + m)\nreturn 1.0"
    ),
    "forged_pickle": body(
        "import os, struct, pickle\nm = pickle.dumps({'parts': []})\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 0) + m)\nreturn 1.0"
    ),
    "forged_name": body(
        "import os, struct, json\nm = json.dumps({'parts': [['a\\n', 'nothing', []]], 'several': True, 'printed': ''}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 8) + m + bytes(8))\nreturn 1.0"
    ),
    "forged_field": body(
        "import os, struct, json\nm = json.dumps({'parts': [], 'several': True, 'printed': '', 'more': 1}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 0) + m)\nreturn 1.0"
    ),
    "forged_product": body(
        "import os, struct, json\nm = json.dumps({'parts': [['a', 'table', [200000, 200000]]], 'several': True, 'printed': ''}).encode()\nos.write(11, struct.pack('<4sII', b'SGF1', len(m), 8) + m + bytes(8))\nreturn 1.0"
    ),
    "forged_surrogate": body(
        'import os, struct\nm = b\'{"error":"x","rows":[[1,"\\\\ud800"]]}\'\nos.write(11, struct.pack(\'<4sII\', b\'SGF1\', len(m), 0) + m)\nreturn 1.0'
    ),
    "half_a_frame": body(
        "import os, struct\nos.write(11, struct.pack('<4sII', b'SGF1', 100, 0))\nwhile True:\n    pass"
    ),
    "flood": body("import os\nwhile True:\n    os.write(11, b'\\0' * 65536)"),
    "one_byte_at_a_time": body("import os\nwhile True:\n    os.write(11, b'S')"),
    "closed_pipe": body("import os\nos.close(11)\nreturn 1.0"),
    "exit": body("import os\nos._exit(0)"),
    "exit_by_exception": body("raise SystemExit(0)"),
    "abort": body("import os\nos.abort()"),
    "null_pointer": _ESCAPED + body("return ctypes.string_at(0)"),
    "catch_the_end": body(
        "import signal\nwhile True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    ),
}
