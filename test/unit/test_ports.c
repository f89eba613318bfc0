/* What -p and --net of `goblin run` mean. */
#include <string.h>
#include "test/unit/unit.h"
#include "tools/ports.h"

static void ports_as_docker_writes_them(void **)
{
    static const struct {
        const char *spec, *address;
        uint16_t host, guest;
        bool udp;
    } good[] = {
        { "8000:80", "", 8000, 80, false },           { "8000:80/tcp", "", 8000, 80, false },
        { "53:5353/udp", "", 53, 5353, true },        { "127.0.0.1:1:65535", "127.0.0.1", 1, 65535, false },
        { "[::1]:8000:80", "::1", 8000, 80, false },  { "[2001:db8::1]:53:53/udp", "2001:db8::1", 53, 53, true },
    };
    struct guest_port p;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(port_parse(good[i].spec, &p));
        assert_string_equal(p.address, good[i].address);
        assert_int_equal(p.host, good[i].host);
        assert_int_equal(p.guest, good[i].guest);
        assert_int_equal(p.udp, good[i].udp);
    }
}

static void what_is_no_port_is_refused(void **)
{
    static const char *const bad[] = { "", "80", ":80", "80:", "80:0", "0:80", "65536:80", "80:65536", "a:b", "80:80/sctp", "80:80/", "-1:80", "080:80",
                                       "0x50:80", "::1:80:80", "8000-8010:80", "80 :80" };
    char longer[200];
    struct guest_port p;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(port_parse(bad[i], &p));
    memset(longer, '1', sizeof longer);
    memcpy(longer + sizeof longer - 7, ":80:80", 7);
    assert_false(port_parse(longer, &p));
    memmove(longer, longer + sizeof longer - 67, 67);
    assert_false(port_parse(longer, &p)); /* an address longer than there is room for */
}

static void networks_by_name(void **)
{
    enum guest_net net = GUEST_NET_HOST;

    assert_true(net_parse("none", &net) && net == GUEST_NET_NONE);
    assert_true(net_parse("out", &net) && net == GUEST_NET_OUT);
    assert_true(net_parse("bridge", &net) && net == GUEST_NET_OUT);
    assert_true(net_parse("host", &net) && net == GUEST_NET_HOST);
    assert_false(net_parse("", &net));
    assert_false(net_parse("Host", &net));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ports_as_docker_writes_them),
        cmocka_unit_test(what_is_no_port_is_refused),
        cmocka_unit_test(networks_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
