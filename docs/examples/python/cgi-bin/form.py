#!/usr/bin/env python3
"""A form without the cgi module: the query and the content by urllib."""

import html
import os
import sys
from urllib.parse import parse_qs

length = int(os.environ.get("CONTENT_LENGTH") or 0)
content = sys.stdin.buffer.read(length).decode()
fields = parse_qs(content if length else os.environ["QUERY_STRING"], keep_blank_values=True)

print("Content-Type: text/html; charset=utf-8")
print("Set-Cookie: seen=1; HttpOnly; SameSite=Lax")
print()
for name, values in sorted(fields.items()):
    print(f"<p>{html.escape(name)}: {html.escape(', '.join(values))}</p>")
