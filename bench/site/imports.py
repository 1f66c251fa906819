#!/usr/bin/python3
"""A script as people write them: half a dozen imports, and little of its own."""
import datetime
import html
import json
import sqlite3
import urllib.parse
import urllib.request

print("Content-Type: application/json\n")
print(json.dumps({
    "sqlite": sqlite3.sqlite_version,
    "year": datetime.date(2026, 1, 1).year,
    "text": html.escape("<hello>"),
    "query": urllib.parse.parse_qs("a=b"),
}))
