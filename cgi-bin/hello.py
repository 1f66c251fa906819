#!/usr/bin/env python3
"""A page in Python: a header, an empty line, a body. Try /cgi-bin/hello.py?name=Leda."""

import html
import os
import sys
from urllib.parse import parse_qs

query = parse_qs(os.environ.get("QUERY_STRING", ""))
name = query.get("name", ["world"])[0]

sys.stdout.reconfigure(encoding="utf-8")
print("Content-Type: text/html; charset=utf-8")
print()
# What a client sent goes into a page escaped, always.
print(f'<!doctype html><html lang="en"><title>Hello</title><p>Hello, {html.escape(name)}!')
