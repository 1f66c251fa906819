#!/usr/bin/env python3
"""Fails, in one of three ways that the query chooses.

crash.py          dies by a signal in the middle of its answer: the connection is cut, so that nothing looks complete
crash.py?before   dies by a signal before it wrote anything: 502
crash.py?exit     ends with an exit status that is not 0 after a whole answer: the answer is sent, the status is logged
"""

import os
import signal
import sys
import time

how = os.environ.get("QUERY_STRING", "")

if how != "before":
    print("Content-Type: text/plain; charset=utf-8")
    print()
    print("This is the first half of the answer.", flush=True)
    time.sleep(0.2)  # by now the client has it
if how == "exit":
    print("This is the second half.", flush=True)
    print("crash.py: ends with status 3, as its query asks", file=sys.stderr)
    sys.exit(3)

# As the kernel does when memory runs out: no handler runs, no buffer is written.
os.kill(os.getpid(), signal.SIGKILL)
