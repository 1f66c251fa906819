#!/usr/bin/python3
"""Server-sent events that say when they were written."""
import sys
import time

sys.stdout.write("Content-Type: text/event-stream\n\n")
sys.stdout.flush()
for _ in range(100):
    time.sleep(0.01)
    sys.stdout.write("data: %.6f\n\n" % (time.time() * 1000))
    sys.stdout.flush()
