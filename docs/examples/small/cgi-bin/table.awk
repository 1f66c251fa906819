#!/usr/bin/awk -f
# A table of the query's fields: /cgi-bin/table.awk?a=1&b=2
BEGIN {
  printf "Content-Type: text/plain\n\n"
  count = split(ENVIRON["QUERY_STRING"], fields, "&")
  for (i = 1; i <= count; i++) {
    split(fields[i], field, "=")
    printf "%-8s %s\n", field[1], field[2]
  }
}
