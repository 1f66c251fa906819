#!/usr/bin/env python3
"""Never answers. The server ends it after `cgi.timeout` and sends 504, or earlier when the client leaves."""

import time

while True:
    time.sleep(3600)
