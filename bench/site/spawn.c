/* The yardstick of CGI: starts a program N times by posix_spawn, one after the other, reads what it writes to its end, and
 * waits for it. Prints the microseconds of one. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[2]);
  char *const arguments[] = {argv[1], NULL};
  char *const environment[] = {"GATEWAY_INTERFACE=CGI/1.1", "REQUEST_METHOD=GET", NULL};
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int i = 0; i < count; i++) {
    int ends[2], status;
    pid_t pid;
    char bytes[4096];
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) return 1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    if (posix_spawn(&pid, argv[1], &actions, NULL, arguments, environment) != 0) return 1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (read(ends[0], bytes, sizeof bytes) > 0) continue;
    close(ends[0]);
    if (waitpid(pid, &status, 0) != pid || status != 0) return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  printf("%.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / 1e3 / count);
  return 0;
}
