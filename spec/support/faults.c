/* A system that fails on demand: preloaded (LD_PRELOAD) into an interpreter and required there as
 * the module "faults", one of the calls below fails, or does less than it was asked for.  OpenSSL's
 * allocations are calls too, and so are calls of OpenSSL whose failure we look at.  See faults.lua
 * and struck.lua. */
#include <lua.h>
#include <lauxlib.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CALLS(X)                                                                                   \
  X(socket)                                                                                        \
  X(connect)                                                                                       \
  X(bind)                                                                                          \
  X(getsockopt)                                                                                    \
  X(setsockopt)                                                                                    \
  X(getpeername)                                                                                   \
  X(getsockname)                                                                                   \
  X(recv)                                                                                          \
  X(send)                                                                                          \
  X(shutdown)                                                                                      \
  X(ppoll)                                                                                         \
  X(epoll_create1)                                                                                 \
  X(epoll_ctl)                                                                                     \
  X(epoll_wait)                                                                                    \
  X(fcntl)                                                                                         \
  X(ioctl)                                                                                         \
  X(close)                                                                                         \
  X(eventfd)                                                                                       \
  X(read)                                                                                          \
  X(write)                                                                                         \
  X(open)                                                                                          \
  X(fopen)                                                                                         \
  X(opendir)                                                                                       \
  X(access)                                                                                        \
  X(stat)                                                                                          \
  X(getrandom)                                                                                     \
  X(clock_gettime)                                                                                 \
  X(pthread_attr_init)                                                                             \
  X(pthread_create)                                                                                \
  X(pthread_mutex_init)                                                                            \
  X(getaddrinfo)                                                                                   \
  X(openssl_malloc)

/* Of OpenSSL: result, what it is where the call fails, name, parameters, arguments. */
#define OPENSSL_CALLS(X)                                                                           \
  X(int, 0, ASN1_TIME_diff, (int *a, int *b, const ASN1_TIME *c, const ASN1_TIME *d),              \
    (a, b, c, d))                                                                                  \
  X(ASN1_TIME *, NULL, ASN1_TIME_set, (ASN1_TIME * a, time_t b), (a, b))                           \
  X(BIO_METHOD *, NULL, BIO_meth_new, (int a, const char *b), (a, b))                              \
  X(BIO *, NULL, BIO_new, (const BIO_METHOD *a), (a))                                              \
  X(BIO *, NULL, BIO_new_file, (const char *a, const char *b), (a, b))                             \
  X(BIO *, NULL, BIO_new_mem_buf, (const void *a, int b), (a, b))                                  \
  X(int, 0, EVP_Digest,                                                                            \
    (const void *a, size_t b, unsigned char *c, unsigned *d, const EVP_MD *e, ENGINE *f),          \
    (a, b, c, d, e, f))                                                                            \
  X(int, 0, EVP_DigestFinal_ex, (EVP_MD_CTX * a, unsigned char *b, unsigned *c), (a, b, c))        \
  X(int, 0, EVP_DigestInit_ex, (EVP_MD_CTX * a, const EVP_MD *b, ENGINE *c), (a, b, c))            \
  X(int, 0, EVP_DigestUpdate, (EVP_MD_CTX * a, const void *b, size_t c), (a, b, c))                \
  X(EVP_MD_CTX *, NULL, EVP_MD_CTX_new, (void), ())                                                \
  X(EVP_MD *, NULL, EVP_MD_fetch, (OSSL_LIB_CTX * a, const char *b, const char *c), (a, b, c))     \
  X(int, 0, RAND_bytes, (unsigned char *a, int b), (a, b))                                         \
  X(int, 0, SSL_CTX_check_private_key, (const SSL_CTX *a), (a))                                    \
  X(long, 0, SSL_CTX_ctrl, (SSL_CTX * a, int b, long c, void *d), (a, b, c, d))                    \
  X(int, 0, SSL_CTX_load_verify_locations, (SSL_CTX * a, const char *b, const char *c), (a, b, c)) \
  X(SSL_CTX *, NULL, SSL_CTX_new, (const SSL_METHOD *a), (a))                                      \
  X(int, 1, SSL_CTX_set_alpn_protos, (SSL_CTX * a, const unsigned char *b, unsigned c), (a, b, c)) \
  X(int, 0, SSL_CTX_set_default_verify_paths, (SSL_CTX * a), (a))                                  \
  X(int, 0, SSL_CTX_use_PrivateKey, (SSL_CTX * a, EVP_PKEY * b), (a, b))                           \
  X(int, 0, SSL_CTX_use_certificate, (SSL_CTX * a, X509 * b), (a, b))                              \
  X(X509 *, NULL, SSL_SESSION_get0_peer, (SSL_SESSION * a), (a))                                   \
  X(long, 0, SSL_ctrl, (SSL * a, int b, long c, void *d), (a, b, c, d))                            \
  X(long, X509_V_ERR_UNSPECIFIED, SSL_get_verify_result, (const SSL *a), (a))                      \
  X(SSL *, NULL, SSL_new, (SSL_CTX * a), (a))                                                      \
  X(int, 0, SSL_set1_host, (SSL * a, const char *b), (a, b))                                       \
  X(int, 0, SSL_set_ex_data, (SSL * a, int b, void *c), (a, b, c))                                 \
  X(int, 0, SSL_set_session, (SSL * a, SSL_SESSION * b), (a, b))                                   \
  X(int, 0, SSL_write_ex, (SSL * a, const void *b, size_t c, size_t *d), (a, b, c, d))             \
  X(int, -1, X509_NAME_print_ex, (BIO * a, const X509_NAME *b, int c, unsigned long d),            \
    (a, b, c, d))                                                                                  \
  X(X509 *, NULL, X509_STORE_CTX_get_current_cert, (const X509_STORE_CTX *a), (a))                 \
  X(int, 0, X509_STORE_add_cert, (X509_STORE * a, X509 * b), (a, b))                               \
  X(int, 0, X509_VERIFY_PARAM_set1_ip, (X509_VERIFY_PARAM * a, const unsigned char *b, size_t c),  \
    (a, b, c))

#define AS_CONSTANT(name)                                   CALL_##name,
#define AS_STRING(name)                                     #name,
#define THIRD_AS_CONSTANT(result, failed, name, has, given) CALL_##name,
#define THIRD_AS_STRING(result, failed, name, has, given)   #name,

enum call { CALLS(AS_CONSTANT) OPENSSL_CALLS(THIRD_AS_CONSTANT) CALL_COUNT };
static const char *const names[] = {CALLS(AS_STRING) OPENSSL_CALLS(THIRD_AS_STRING) NULL};

/* "short": half of what was asked for; "byte": one byte at the most; "end": the peer's, of recv.
 * "many": addresses of a name, 40 more of IPv4. */
enum { NO_FAULT = 0, FAULT_SHORT = -1, FAULT_BYTE = -2, FAULT_END = -3, FAULT_MANY = -4 };

static atomic_bool armed;
static atomic_long seen[CALL_COUNT], openssl_blocks;
static int struck_call, struck_fault;
static long struck_at;
static bool struck_on;
static atomic_long strikes;

/* The fault of this very call. */
static int strike(enum call call) {
  if (!armed) return NO_FAULT;
  long number = atomic_fetch_add(&seen[call], 1) + 1;
  if ((int)call != struck_call || number < struck_at) return NO_FAULT;
  if (number > struck_at && !struck_on) return NO_FAULT;
  strikes++;
  return struck_fault;
}

static size_t less(int fault, size_t size) {
  if (fault == FAULT_BYTE || size < 2) return size > 0 ? 1 : 0;
  return fault == FAULT_SHORT ? size / 2 : size;
}

static bool fails(int fault) {
  if (fault > 0) errno = fault; /* NOLINT(bugprone-signal-handler,cert-sig30-c): see tell_and_end */
  return fault > 0;
}

#define REAL(name)                                                                                 \
  static __typeof__(name) *real;                                                                   \
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)

/* ---------------------------------------------------------------- the calls */

int socket(int family, int type, int protocol) {
  REAL(socket);
  return fails(strike(CALL_socket)) ? -1 : real(family, type, protocol);
}

/* Interrupted, it goes on by itself. */
int connect(int fd, const struct sockaddr *address, socklen_t size) {
  REAL(connect);
  int fault = strike(CALL_connect), result = 0;
  if (fault == NO_FAULT || fault == EINTR) result = real(fd, address, size);
  return fails(fault) ? -1 : result;
}

int bind(int fd, const struct sockaddr *address, socklen_t size) {
  REAL(bind);
  return fails(strike(CALL_bind)) ? -1 : real(fd, address, size);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
  REAL(getsockopt);
  return fails(strike(CALL_getsockopt)) ? -1 : real(fd, level, name, value, size);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  REAL(setsockopt);
  return fails(strike(CALL_setsockopt)) ? -1 : real(fd, level, name, value, size);
}

int getpeername(int fd, struct sockaddr *address, socklen_t *size) {
  REAL(getpeername);
  return fails(strike(CALL_getpeername)) ? -1 : real(fd, address, size);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *size) {
  REAL(getsockname);
  return fails(strike(CALL_getsockname)) ? -1 : real(fd, address, size);
}

ssize_t recv(int fd, void *data, size_t size, int flags) {
  REAL(recv);
  int fault = strike(CALL_recv);
  if (fault == FAULT_END) return 0;
  return fails(fault) ? -1 : real(fd, data, less(fault, size), flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
  REAL(send);
  int fault = strike(CALL_send);
  return fails(fault) ? -1 : real(fd, data, less(fault, size), flags);
}

int shutdown(int fd, int how) {
  REAL(shutdown);
  return fails(strike(CALL_shutdown)) ? -1 : real(fd, how);
}

int ppoll(struct pollfd *polled, nfds_t count, const struct timespec *timeout,
          const sigset_t *mask) {
  REAL(ppoll);
  return fails(strike(CALL_ppoll)) ? -1 : real(polled, count, timeout, mask);
}

int epoll_create1(int flags) {
  REAL(epoll_create1);
  return fails(strike(CALL_epoll_create1)) ? -1 : real(flags);
}

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event) {
  REAL(epoll_ctl);
  return fails(strike(CALL_epoll_ctl)) ? -1 : real(set, operation, fd, event);
}

int epoll_wait(int set, struct epoll_event *events, int count, int timeout) {
  REAL(epoll_wait);
  return fails(strike(CALL_epoll_wait)) ? -1 : real(set, events, count, timeout);
}

int fcntl(int fd, int command, ...) {
  REAL(fcntl);
  va_list values;
  va_start(values, command);
  void *value = va_arg(values, void *);
  va_end(values);
  return fails(strike(CALL_fcntl)) ? -1 : real(fd, command, value);
}

int ioctl(int fd, unsigned long request, ...) {
  REAL(ioctl);
  va_list values;
  va_start(values, request);
  void *value = va_arg(values, void *);
  va_end(values);
  return fails(strike(CALL_ioctl)) ? -1 : real(fd, request, value);
}

/* The descriptor is gone in any case, as in Linux. */
int close(int fd) {
  REAL(close);
  int result = real(fd);
  return fails(strike(CALL_close)) ? -1 : result;
}

int eventfd(unsigned count, int flags) {
  REAL(eventfd);
  return fails(strike(CALL_eventfd)) ? -1 : real(count, flags);
}

ssize_t read(int fd, void *data, size_t size) {
  REAL(read);
  int fault = strike(CALL_read);
  return fails(fault) ? -1 : real(fd, data, less(fault, size));
}

ssize_t write(int fd, const void *data, size_t size) {
  REAL(write); /* NOLINT(bugprone-signal-handler,cert-sig30-c): see tell_and_end */
  int fault = strike(CALL_write);
  return fails(fault) ? -1 : real(fd, data, less(fault, size));
}

int open(const char *path, int flags, ...) {
  REAL(open);
  va_list values;
  va_start(values, flags);
  unsigned mode = flags & O_CREAT ? va_arg(values, unsigned) : 0;
  va_end(values);
  return fails(strike(CALL_open)) ? -1 : real(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
  REAL(fopen);
  return fails(strike(CALL_fopen)) ? NULL : real(path, mode);
}

/* OpenSSL's, by which it reads certificates. */
FILE *fopen64(const char *path, const char *mode) {
  REAL(fopen64);
  return fails(strike(CALL_fopen)) ? NULL : real(path, mode);
}

DIR *opendir(const char *path) {
  REAL(opendir);
  return fails(strike(CALL_opendir)) ? NULL : real(path);
}

int access(const char *path, int mode) {
  REAL(access);
  return fails(strike(CALL_access)) ? -1 : real(path, mode);
}

int stat(const char *path, struct stat *status) {
  REAL(stat);
  return fails(strike(CALL_stat)) ? -1 : real(path, status);
}

ssize_t getrandom(void *data, size_t size, unsigned flags) {
  REAL(getrandom);
  int fault = strike(CALL_getrandom);
  return fails(fault) ? -1 : real(data, less(fault, size), flags);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(clock_gettime);
  return fails(strike(CALL_clock_gettime)) ? -1 : real(clock, time);
}

int pthread_attr_init(pthread_attr_t *attributes) {
  REAL(pthread_attr_init);
  int fault = strike(CALL_pthread_attr_init);
  return fault > 0 ? fault : real(attributes);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
  REAL(pthread_create);
  int fault = strike(CALL_pthread_create);
  return fault > 0 ? fault : real(thread, attributes, run, argument);
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes) {
  REAL(pthread_mutex_init);
  int fault = strike(CALL_pthread_mutex_init);
  return fault > 0 ? fault : real(mutex, attributes);
}

enum { MANY = 40 };
static struct addrinfo many[MANY], *behind_many;

/* 127.0.0.2 and so on, behind the first that was found. */
static void add_many(struct addrinfo *found) {
  static struct sockaddr_in places[MANY];
  behind_many = found->ai_next;
  for (unsigned i = 0; i < MANY; i++) {
    memcpy(&places[i], found->ai_addr, sizeof places[i]);
    places[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i);
    many[i] = *found;
    many[i].ai_addr = (struct sockaddr *)&places[i];
    many[i].ai_next = i + 1 < MANY ? &many[i + 1] : NULL;
  }
  found->ai_next = many;
}

/* Its faults are those of getaddrinfo, as positive numbers. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  REAL(getaddrinfo);
  int fault = strike(CALL_getaddrinfo);
  if (fault > 0) errno = EIO; /* for EAI_SYSTEM */
  int result = fault > 0 ? -fault : real(host, service, hints, found);
  if (fault == FAULT_MANY && result == 0) add_many(*found);
  return result;
}

void freeaddrinfo(struct addrinfo *list) {
  REAL(freeaddrinfo);
  if (list && list->ai_next == many) list->ai_next = behind_many;
  real(list);
}

/* ---------------------------------------------------------------- OpenSSL's calls */

#define AS_FUNCTION(result, failed, name, parameters, arguments)                                   \
  result name parameters {                                                                         \
    REAL(name);                                                                                    \
    return strike(CALL_##name) != NO_FAULT ? (failed) : real arguments;                            \
  }
OPENSSL_CALLS(AS_FUNCTION)

/* ---------------------------------------------------------------- OpenSSL's memory */

static void *openssl_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  if (size == 0 || fails(strike(CALL_openssl_malloc))) return NULL;
  void *block = malloc(size);
  if (block) openssl_blocks++;
  return block;
}

static void openssl_free(void *block, const char *file, int line) {
  (void)file;
  (void)line;
  if (block) openssl_blocks--;
  free(block);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line) {
  if (!block) return openssl_malloc(size, file, line);
  if (size == 0) {
    openssl_free(block, file, line);
    return NULL;
  }
  return fails(strike(CALL_openssl_malloc)) ? NULL : realloc(block, size);
}

/* ---------------------------------------------------------------- the module */

/* arm(call, n, fault, on): the n-th call from now fails, with `on` all after it too; arm(): none */
static int l_arm(lua_State *L) {
  armed = false;
  struck_call = lua_isnoneornil(L, 1) ? CALL_COUNT : luaL_checkoption(L, 1, NULL, names);
  struck_at = (long)luaL_optinteger(L, 2, 0);
  struck_fault = (int)luaL_optinteger(L, 3, 0);
  struck_on = lua_toboolean(L, 4);
  for (int i = 0; i < CALL_COUNT; i++) seen[i] = 0;
  strikes = 0;
  armed = true;
  return 0;
}

static int l_disarm(lua_State *L) {
  (void)L;
  armed = false;
  return 0;
}

/* seen() -> how often each was called since arm, by name */
static int l_seen(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; i < CALL_COUNT; i++) {
    lua_pushinteger(L, seen[i]);
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

/* strikes() -> how many calls have failed since arm */
static int l_strikes(lua_State *L) {
  lua_pushinteger(L, strikes);
  return 1;
}

static int l_openssl_blocks(lua_State *L) {
  lua_pushinteger(L, openssl_blocks);
  return 1;
}

/* The lowest descriptor that is free once `count` more are open. */
static int descriptor_behind(int count) {
  int fd = dup(0);
  int result = fd < 0 || count == 0 ? fd : descriptor_behind(count - 1);
  if (fd >= 0) close(fd);
  return result;
}

/* files(count): so many more descriptors may be open; files(): as many as at first */
static int l_files(lua_State *L) {
  static struct rlimit first;
  if (first.rlim_cur == 0) getrlimit(RLIMIT_NOFILE, &first);
  struct rlimit limit = first;
  if (!lua_isnoneornil(L, 1))
    limit.rlim_cur = (rlim_t)descriptor_behind((int)luaL_checkinteger(L, 1));
  lua_pushboolean(L, setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return 1;
}

static char watched[256];

/* The process hangs anyway: what a handler should not call may be called here. */
static void tell_and_end(int number) {
  (void)number;
  ssize_t written = write(STDERR_FILENO, watched, strlen(watched));
  _exit(written > 0 ? 3 : 4);
}

/* watch(seconds, text): a process that comes back to no other watch in time says this and ends */
static int l_watch(lua_State *L) {
  alarm(0);
  snprintf(watched, sizeof watched, "FAILED %s: it hangs\n", luaL_optstring(L, 2, ""));
  signal(SIGALRM, tell_and_end);
  alarm((unsigned)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {{"arm", l_arm},
                                     {"disarm", l_disarm},
                                     {"seen", l_seen},
                                     {"strikes", l_strikes},
                                     {"openssl_blocks", l_openssl_blocks},
                                     {"files", l_files},
                                     {"watch", l_watch},
                                     {NULL, NULL}};

static const struct {
  const char *name;
  int number;
} numbers[] = {{"short", FAULT_SHORT},
               {"byte", FAULT_BYTE},
               {"ended", FAULT_END},
               {"many", FAULT_MANY},
               {"fails", 1}, /* a call of OpenSSL, which gives no number */
               {"EACCES", EACCES},
               {"EAFNOSUPPORT", EAFNOSUPPORT},
               {"EADDRNOTAVAIL", EADDRNOTAVAIL},
               {"EAGAIN", EAGAIN},
               {"EBADF", EBADF},
               {"ECONNREFUSED", ECONNREFUSED},
               {"ECONNRESET", ECONNRESET},
               {"EEXIST", EEXIST},
               {"EHOSTUNREACH", EHOSTUNREACH},
               {"EINTR", EINTR},
               {"EINVAL", EINVAL},
               {"EIO", EIO},
               {"EMFILE", EMFILE},
               {"EMSGSIZE", EMSGSIZE},
               {"ENETDOWN", ENETDOWN},
               {"ENETUNREACH", ENETUNREACH},
               {"ENFILE", ENFILE},
               {"ENOBUFS", ENOBUFS},
               {"ENOENT", ENOENT},
               {"ENOMEM", ENOMEM},
               {"ENOSPC", ENOSPC},
               {"ENOSYS", ENOSYS},
               {"ENOTCONN", ENOTCONN},
               {"EPERM", EPERM},
               {"EPIPE", EPIPE},
               {"ETIMEDOUT", ETIMEDOUT},
               {"EAI_AGAIN", -EAI_AGAIN},
               {"EAI_ADDRFAMILY", -EAI_ADDRFAMILY},
               {"EAI_FAIL", -EAI_FAIL},
               {"EAI_MEMORY", -EAI_MEMORY},
               {"EAI_NODATA", -EAI_NODATA},
               {"EAI_NONAME", -EAI_NONAME},
               {"EAI_SYSTEM", -EAI_SYSTEM}};

int luaopen_faults(lua_State *L);

/* Before OpenSSL has made anything: `counts_openssl` tells whether it was. */
int luaopen_faults(lua_State *L) {
  unsetenv("LD_PRELOAD"); /* programs that are started from here have a system that works */
  lua_newtable(L);
  for (const luaL_Reg *function = functions; function->name; function++) {
    lua_pushcfunction(L, function->func);
    lua_setfield(L, -2, function->name);
  }
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    lua_pushinteger(L, numbers[i].number);
    lua_setfield(L, -2, numbers[i].name);
  }
  lua_pushboolean(L, CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free));
  lua_setfield(L, -2, "counts_openssl");
  return 1;
}
