#pragma once
/* What -p and --net of `goblin run` mean. */
#include "ground/linux/run.h"

/* [IP:]HOST:GUEST[/tcp|/udp], an IPv6 address in brackets. False: it is not that. */
bool port_parse(const char *spec, struct guest_port *);
/* none, out (also bridge, docker's word for it), host. */
bool net_parse(const char *word, enum guest_net *);
