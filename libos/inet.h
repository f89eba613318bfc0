#pragma once
/* What inet_name.c (addresses and ports) and inet.c (connections and data) share. Inside, all addresses are IPv6 ones, IPv4 mapped into them. */
#include "libos/sock.h"

typedef struct app_net_addr addr_t;
#define ADDR_TEXT 80u

static const uint8_t v4_loopback[16] = { [10] = 0xFF, [11] = 0xFF, [12] = 127, [15] = 1 }; /* its first 12 bytes are those of any IPv4 address */
static inline bool is_v4(const addr_t *a) { return memcmp(a->ip, v4_loopback, 12) == 0; }
bool is_any(const addr_t *);
bool is_loopback(const addr_t *);
static inline uint16_t port_of(const addr_t *a) { return (uint16_t)(a->port[0] << 8 | a->port[1]); }
static inline bool is_udp(const struct sock *s) { return s->type == SOCK_DGRAM; }

int addr_take(const struct sock *, const struct sockname *, addr_t *);
struct sockname name_of(const struct sock *, const addr_t *);
addr_t addr_of(const struct sock *, const struct sockname *); /* of a name of this socket's own making */
void addr_text(const char *verb, const addr_t *, char text[ADDR_TEXT]);

int inet_bind(struct sock *, const struct sockname *);
int inet_listen(struct sock *);
int inet_autobind(struct sock *); /* chooses a port if it has none */
void local_set(struct sock *, const addr_t *);
void local_forget(struct sock *); /* the address that was chosen for one connection does not hold for the next */
/* Who listens, or takes datagrams, there. The more special one wins; of several equal ones the last that came. from NULL: not told. */
struct sock *inet_find(bool udp, const addr_t *to, const addr_t *from);
