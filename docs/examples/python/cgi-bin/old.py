#!/usr/bin/env python3
"""A form with a file, by the cgi module as scripts of the last 25 years have it."""

import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import cgi  # noqa: E402

form = cgi.FieldStorage()
print("Content-Type: text/plain; charset=utf-8\n")
print("name", form.getfirst("name", ""))
if "file" in form:
    print("file", form["file"].filename, len(form["file"].file.read()))
