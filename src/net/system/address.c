/* Addresses as text and back: see address.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* if_nametoindex under -std=c11 */
#endif
#include "address.h"

#include "core/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hidden.h"

static bool keep_address(wsc_address *address, const void *name, size_t size) {
  memcpy(&address->storage, name, size);
  address->size = (socklen_t)size;
  return true;
}

/* A link-local address carries its interface behind '%', by name or by number (RFC 4007 11). */
static bool parse_scope(const char *scope, struct sockaddr_in6 *in) {
  char *end = NULL;
  in->sin6_scope_id = if_nametoindex(scope);
  if (in->sin6_scope_id != 0) return true;
  unsigned long long number = strtoull(scope, &end, 10); /* Windows: a long has 32 bits */
  in->sin6_scope_id = (uint32_t)number;
  return *scope >= '0' && *scope <= '9' && *end == '\0' && number <= UINT32_MAX;
}

bool wsc_address_parse(wsc_address *address, const char *text, uint16_t port) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  uint8_t bytes[16];
  wsc_slice scope = {text, strlen(text)}, plain = wsc_slice_take_until(&scope, "%");
  size_t size = wsc_ip_parse(bytes, plain);
  memset(address, 0, sizeof *address);
  if (size == 4 && scope.size == 0) {
    memcpy(&in.sin_addr, bytes, 4);
    return keep_address(address, &in, sizeof in);
  }
  if (size != 16 || (scope.size > 0 && !parse_scope(scope.data + 1, &in6))) return false;
  memcpy(&in6.sin6_addr, bytes, 16);
  return keep_address(address, &in6, sizeof in6);
}

bool wsc_address_unix(wsc_address *address, const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  size_t size = strlen(path);
  memset(address, 0, sizeof *address);
  if (size == 0 || size >= sizeof un.sun_path) return false;
  memcpy(un.sun_path, path, size);
  memcpy(&address->storage, &un, sizeof un);
  address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
  return true;
}

static char *put_octet(char *at, unsigned value) {
  if (value >= 100) *at++ = (char)('0' + value / 100);
  if (value >= 10) *at++ = (char)('0' + value / 10 % 10);
  *at++ = (char)('0' + value % 10);
  return at;
}

/* The storage is read through copies of the right type: a sockaddr_storage aliases none of them.
 * Not by inet_ntop, which goes through sprintf: every attempt has its peer's address as text. */
static void format_ipv4(const wsc_address *address, char *text, int *port) {
  struct sockaddr_in in;
  uint8_t octets[4];
  memcpy(&in, &address->storage, sizeof in);
  memcpy(octets, &in.sin_addr, sizeof octets);
  for (size_t i = 0; i < sizeof octets; i++) {
    if (i > 0) *text++ = '.';
    text = put_octet(text, octets[i]);
  }
  *text = '\0';
  *port = ntohs(in.sin_port);
}

static void format_ipv6(const wsc_address *address, char *text, int *port) {
  struct sockaddr_in6 in;
  memcpy(&in, &address->storage, sizeof in);
  inet_ntop(AF_INET6, &in.sin6_addr, text, WSC_ADDRESS_TEXT);
  size_t length = strlen(text);
  if (in.sin6_scope_id != 0)
    snprintf(text + length, WSC_ADDRESS_TEXT - length, "%%%u", (unsigned)in.sin6_scope_id);
  *port = ntohs(in.sin6_port);
}

static void format_unix(const wsc_address *address, char *text, int *port) {
  struct sockaddr_un un;
  memcpy(&un, &address->storage, sizeof un);
  snprintf(text, WSC_ADDRESS_TEXT, "%.*s", (int)sizeof un.sun_path, un.sun_path);
  *port = 0;
}

void wsc_address_format(const wsc_address *address, char *text, int *port) {
  *text = '\0';
  *port = 0;
  if (address->storage.ss_family == AF_INET) format_ipv4(address, text, port);
  if (address->storage.ss_family == AF_INET6) format_ipv6(address, text, port);
  if (address->storage.ss_family == AF_UNIX) format_unix(address, text, port);
}

int wsc_address_family(const wsc_address *address) {
  if (address->storage.ss_family == AF_INET) return 4;
  return address->storage.ss_family == AF_INET6 ? 6 : 0;
}

void wsc_address_peer(const wsc_address *address, char *text) {
  int port;
  wsc_address_format(address, text, &port);
  size_t length = strlen(text);
  if (length == 0)
    snprintf(text, WSC_PEER_TEXT, "the other end"); /* of a pair, say */
  else if (address->storage.ss_family != AF_UNIX)
    snprintf(text + length, WSC_PEER_TEXT - length, " port %d", port);
}
