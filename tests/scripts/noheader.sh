#!/bin/sh
echo "Something is wrong here"
echo "and says so" >&2
exit 2
