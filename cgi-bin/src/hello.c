/*
 * A page in C: a program needs no interpreter. Built by `deno task samples`, or by hand:
 *
 *     cc -O2 -o cgi-bin/hello cgi-bin/src/hello.c
 *
 * Try /cgi-bin/hello?name=Leda.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of `name` in a query string, still encoded, up to the next '&'; NULL when it is missing. */
static const char *find(const char *query, const char *name) {
    size_t length = strlen(name);
    while (query != NULL) {
        if (strncmp(query, name, length) == 0 && query[length] == '=')
            return query + length + 1;
        query = strchr(query, '&');
        if (query != NULL)
            query++;
    }
    return NULL;
}

static int hex(char c) {
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* Decodes a value of a query and writes it escaped: no client's byte reaches the page as markup. */
static void print_value(const char *value) {
    for (; *value != '\0' && *value != '&'; value++) {
        int c = (unsigned char)*value;
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && isxdigit((unsigned char)value[1]) && isxdigit((unsigned char)value[2])) {
            c = hex(value[1]) * 16 + hex(value[2]);
            value += 2;
        }
        switch (c) {
        case '&': fputs("&amp;", stdout); break;
        case '<': fputs("&lt;", stdout); break;
        case '>': fputs("&gt;", stdout); break;
        case '"': fputs("&quot;", stdout); break;
        case '\'': fputs("&#39;", stdout); break;
        default: putchar(c);
        }
    }
}

int main(void) {
    const char *query = getenv("QUERY_STRING");
    const char *name = find(query, "name");

    puts("Content-Type: text/html; charset=utf-8\n");
    fputs("<!doctype html><html lang=\"en\"><title>Hello</title><p>Hello, ", stdout);
    print_value(name != NULL ? name : "world");
    puts("!");
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
