/* The shortest CGI program: what a server adds to it is the server's own. */
#include <unistd.h>

int main(void) {
  static const char answer[] = "Content-Type: text/plain\n\nhello\n";
  return write(1, answer, sizeof answer - 1) == sizeof answer - 1 ? 0 : 1;
}
