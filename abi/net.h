#pragma once
/* The records of /net/mux (docs/net.md): all conversations of a guest over one open file. A write holds any number of whole records from the
 * guest, a read any number of whole records to it; each is a head and `len` bytes. Numbers are little-endian but for ports in addresses. */
#include "base/types.h"

#define APP_NET_CONVS 4096u    /* at a time, of each side's numbering */
#define APP_NET_OURS BIT(31)   /* conversation numbers the monitor has chosen; the guest chooses those without it */
#define APP_NET_SLOT 0xFFFu    /* these bits tell living conversations apart, the rest what had the slot before */
#define APP_NET_WINDOW 0x40000u /* bytes of a TCP conversation that may be under way, each direction */

struct app_net_addr {
    uint8_t ip[16]; /* IPv6, or IPv4 mapped into it */
    uint8_t port[2]; /* high byte first */
    uint8_t pad[2];
};
struct app_net_pair {
    struct app_net_addr local, remote;
};

enum app_net_op {
    /* from the guest */
    APP_NET_OPEN,    /* arg: 0 TCP, 1 UDP */
    APP_NET_COMMAND, /* a line as for the file ctl; answered by DONE */
    APP_NET_DATA,    /* both ways; of UDP one datagram behind its app_net_addr: whom it goes to, or comes from */
    APP_NET_TAKEN,   /* both ways: arg more bytes may be sent */
    APP_NET_END,     /* both ways: no more data will come */
    APP_NET_CLOSE,   /* the guest forgets the number; what was sent before still goes out */
    /* from the monitor */
    APP_NET_DONE, /* a command has ended; error; app_net_pair */
    APP_NET_CALL, /* arg: the number of a new conversation that a listening one has got; app_net_pair */
    APP_NET_ERROR,
    APP_NET_OPS
};
struct app_net_rec {
    uint32_t conv; /*  0 */
    uint16_t op;   /*  4 */
    uint16_t error; /* 6 Linux' number */
    uint32_t arg;  /*  8 */
    uint32_t len;  /* 12 bytes that follow */
};
_Static_assert(sizeof(struct app_net_addr) == 20 && sizeof(struct app_net_pair) == 40 && sizeof(struct app_net_rec) == 16, "abi/net.h");
