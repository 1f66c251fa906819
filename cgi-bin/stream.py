#!/usr/bin/env python3
"""Server-sent events, each written as it happens. Try curl -N '.../stream.py?events=5&every=0.5'."""

import json
import os
import sys
import time
from urllib.parse import parse_qs

EVENTS_MAX = 1000
EVERY_MAX = 10.0  # seconds; stays well below `cgi.timeout`, which counts from one output to the next


def parameter(name, default, highest):
    """Reads a number from the query, within 0 and `highest`; `default` where it is missing or no number."""
    try:
        value = type(default)(query[name][0])
    except (KeyError, ValueError):
        return default
    return min(value, highest) if value >= 0 else default  # NaN is not >= 0


query = parse_qs(os.environ.get("QUERY_STRING", ""))
events = parameter("events", 10, EVENTS_MAX)
every = parameter("every", 1.0, EVERY_MAX)

print("Content-Type: text/event-stream")
print("Cache-Control: no-store")
print()
sys.stdout.flush()

for number in range(1, events + 1):
    data = json.dumps({"number": number, "of": events, "time": time.strftime("%H:%M:%S")})
    # Python keeps output to a pipe in a buffer: without the flush, all events would come at once, at the end.
    print(f"id: {number}\ndata: {data}\n", flush=True)
    if number < events:
        time.sleep(every)
