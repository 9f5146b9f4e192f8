/* The floor under bench/scale.lua: the same messages over bare sockets and epoll, nothing checked.
 *
 *     build/bench/scale_raw PORT CLIENTS MESSAGES      prints the processor time of one message, ns
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE 64

static const char request[] = "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int open_connection(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char answer[1024];
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (send(fd, request, strlen(request), 0) < 0) fail("send");
  if (recv(fd, answer, sizeof answer, 0) <= 0) fail("recv");
  return fd;
}

static double cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static unsigned next_random(void) {
  static unsigned state = 1;
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

static void ping_pong(int epoll, const int *fds, int count, int messages) {
  unsigned char frame[6 + SIZE] = {0x81, 0x80 | SIZE}; /* the key is 0 */
  char answer[1024];
  memset(frame + 6, 'x', SIZE);
  for (int i = 0; i < messages; i++) {
    struct epoll_event event;
    if (send(fds[next_random() % (unsigned)count], frame, sizeof frame, 0) < 0) fail("send");
    if (epoll_wait(epoll, &event, 1, -1) != 1) fail("epoll_wait");
    if (recv(event.data.fd, answer, sizeof answer, 0) != 2 + SIZE) fail("recv");
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 1;
  int port = (int)strtol(argv[1], NULL, 10), count = (int)strtol(argv[2], NULL, 10);
  int messages = (int)strtol(argv[3], NULL, 10);
  int epoll = epoll_create1(0);
  int *fds = calloc((size_t)count, sizeof *fds);
  if (epoll < 0 || !fds) fail("start");
  for (int i = 0; i < count; i++) {
    fds[i] = open_connection(port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) != 0) fail("epoll_ctl");
  }
  ping_pong(epoll, fds, count, messages / 10 + 1);
  double began = cpu_ns();
  ping_pong(epoll, fds, count, messages);
  printf("%.0f\n", (cpu_ns() - began) / messages);
  free(fds);
  return 0;
}
