/* Says hello, and gives its input back in upper case. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  const char *length = getenv("CONTENT_LENGTH");
  long left = length == NULL ? 0 : strtol(length, NULL, 10);
  int byte;

  printf("Content-Type: text/plain\r\n\r\nhello from C, by %s\n", getenv("REQUEST_METHOD"));
  while (left-- > 0 && (byte = getchar()) != EOF) putchar(toupper(byte));
  return 0;
}
