/* A CGI program that reads its content to the end and says how long it was. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
  static char bytes[65536];
  long total = 0;
  ssize_t count;
  while ((count = read(0, bytes, sizeof bytes)) > 0) total += count;
  printf("Content-Type: text/plain\n\n%ld\n", total);
  return 0;
}
