#pragma once
/* What the system calls on sockets share: sys_sock.c, sys_msg.c, sys_sockopt.c. */
#include <asm/socket.h>
#include "libos/sock.h"
#include "libos/sys.h"

enum { SOL_IP = 0, SOL_TCP = 6, SOL_UDP = 17, SOL_IPV6 = 41, SOL_NETLINK = 270 };

typedef int64_t sock_fn(struct file *f, struct sock *s, const uint64_t a[6]);
/* A call on the socket that its first argument names; f holds it meanwhile. */
#define SYS_SOCK(name) \
    static sock_fn call_##name; \
    SYS(name) { return sock_call(a, call_##name); } \
    static int64_t call_##name(UNUSED struct file *f, UNUSED struct sock *s, const uint64_t a[6])
static inline int64_t sock_call(const uint64_t a[6], sock_fn *call)
{
    struct file *f = fd_held(a[0]);
    int64_t e;

    if (!sock_of(f))
        return f ? -ENOTSOCK : -EBADF;
    file_get(f);
    e = call(f, f->data, a);
    file_put(f);
    return e;
}

int name_read(user_t at, uint64_t len, struct sockname *);
int name_write(const struct sockname *, user_t at, user_t len_at); /* at 0: nobody asked */
