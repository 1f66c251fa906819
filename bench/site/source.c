/* A CGI program that answers with as many MiB as QUERY_STRING says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  static char bytes[65536];
  const char *query = getenv("QUERY_STRING");
  long chunks = query == NULL ? 0 : atol(query) * 16;
  memset(bytes, 'x', sizeof bytes);
  printf("Content-Type: application/octet-stream\n\n");
  fflush(stdout);
  for (long i = 0; i < chunks; i++) {
    for (size_t done = 0; done < sizeof bytes;) {
      ssize_t count = write(1, bytes + done, sizeof bytes - done);
      if (count <= 0) return 1;
      done += count;
    }
  }
  return 0;
}
