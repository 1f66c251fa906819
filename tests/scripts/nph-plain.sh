#!/bin/sh
# Speaks HTTP itself.
printf 'HTTP/1.1 299 Mine\r\nConnection: close\r\n\r\nraw'
