/*
 * The row `C`: poll, read, and the number of each line found by its name, without a JSON parser. What the kernel alone
 * costs. Built with gcc when the benchmark runs.
 *
 * usage: reader PATH WARM_UP LINES
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu_ms(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static int open_raw(const char *path) {
  int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
  struct termios settings;
  if (fd < 0 || tcgetattr(fd, &settings) < 0) {
    perror(path);
    exit(1);
  }
  cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  cfsetspeed(&settings, B115200);
  tcsetattr(fd, TCSANOW, &settings);
  return fd;
}

int main(int argc, char **argv) {
  static char buffer[65536];
  size_t held = 0;
  long count = 0, sum = 0;
  double started = 0, used = 0;
  if (argc != 4) return 64;
  long warm_up = atol(argv[2]), all = warm_up + atol(argv[3]);
  struct pollfd port = {.fd = open_raw(argv[1]), .events = POLLIN};
  puts("ready");
  fflush(stdout);
  while (count < all) {
    if (poll(&port, 1, -1) < 0) return 1;
    ssize_t got = read(port.fd, buffer + held, sizeof buffer - 1 - held);
    if (got <= 0) return 1;
    held += got;
    buffer[held] = 0;
    char *from = buffer, *end;
    while (count < all && (end = memchr(from, '\n', buffer + held - from)) != NULL) {
      *end = 0;
      char *number = strstr(from, "\"n\":");
      count += 1;
      if (count > warm_up && number != NULL) sum += atol(number + 4);
      if (count == warm_up) started = now(), used = cpu_ms();
      from = end + 1;
    }
    held -= from - buffer;
    memmove(buffer, from, held);
  }
  printf("{\"seconds\":%.6f,\"cpuMs\":%.3f,\"sum\":%ld}\n", now() - started, cpu_ms() - used, sum);
  return 0;
}
