#!/bin/sh
# Gives its input back as it comes.
printf 'Content-Type: application/octet-stream\r\n\r\n'
exec cat
