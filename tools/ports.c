/* What -p and --net of `goblin run` mean. */
#include <string.h>
#include "base/str.h"
#include "tools/ports.h"

static bool number(const char *text, uint16_t *n)
{
    uint64_t v;

    if (str_to_u64(text, &v) || v == 0 || v > 65535 || text[0] == '0')
        return false;
    *n = (uint16_t)v;
    return true;
}

/* Cuts the last part behind that sign off. */
static char *cut(char *text, char sign)
{
    char *at = strrchr(text, sign);

    if (at)
        *at++ = 0;
    return at;
}

bool port_parse(const char *spec, struct guest_port *p)
{
    char text[96], *protocol, *guest, *host, *ip = text;
    size_t n = strlen(spec);

    *p = (struct guest_port){ 0 };
    if (n >= sizeof text)
        return false;
    memcpy(text, spec, n + 1);
    protocol = cut(text, '/');
    guest = cut(text, ':');
    host = guest ? cut(text, ':') : NULL;
    if (guest && !host) /* no address: what is left is the host's port */
        host = text, ip = "";
    if (!guest || !number(guest, &p->guest) || !number(host, &p->host))
        return false;
    if (protocol && !str_eq(protocol, "tcp") && !str_eq(protocol, "udp"))
        return false;
    p->udp = protocol && protocol[0] == 'u';
    n = strlen(ip);
    if (n >= 2 && ip[0] == '[' && ip[n - 1] == ']') {
        ip[n - 1] = 0;
        ip++;
    } else if (strchr(ip, ':')) {
        return false;
    }
    return str_copy(p->address, sizeof p->address, ip);
}

bool net_parse(const char *word, enum guest_net *net)
{
    static const struct {
        const char *word;
        enum guest_net net;
    } words[] = { { "none", GUEST_NET_NONE }, { "out", GUEST_NET_OUT }, { "bridge", GUEST_NET_OUT }, { "host", GUEST_NET_HOST } };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(words[i].word, word)) {
            *net = words[i].net;
            return true;
        }
    return false;
}
