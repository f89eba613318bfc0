/* dev/virtio/console.c, with a user at the other end of the line. */
#include "test/unit/unit.h"
#include "dev/virtio/console.h"
#include "test/unit/virtio_driver.h"

#define SLOT 2
#define BUF 0x80000u
#define TABLE 0x90000u
static struct virtio_console con;

static struct {
    char text[200000];
    size_t len, heard;
    unsigned drained;
    bool open;
} user;

static void user_opened(struct tty *t)
{
    assert_ptr_equal(t, &con.tty);
    user.open = true;
}
static void user_closed(struct tty *)
{
    user.open = false;
}
static void user_output(struct tty *t, const uint8_t *bytes, size_t n)
{
    assert_ptr_equal(t->user_data, &user);
    assert_true(user.len + n < sizeof user.text);
    memcpy(user.text + user.len, bytes, n);
    user.len += n;
}
void vm_hear(struct vm *v, unsigned *matched, const uint8_t *bytes, size_t n) /* instead of vm/panic.c's */
{
    assert_true(v == &vm && matched == &con.heard && bytes);
    user.heard += n;
}
static void user_drained(struct tty *)
{
    user.drained++;
}

static int setup(void **)
{
    static const struct tty_user_ops ops = { user_opened, user_closed, user_output, user_drained };
    guest_start(1);
    memset(&user, 0, sizeof user);
    assert_int_equal(virtio_console_init(&con, &vm, &host, SLOT), OK);
    tty_open(&con.tty, &ops, &user);
    assert_true(user.open);
    return 0;
}

static int teardown(void **)
{
    tty_close(&con.tty);
    assert_false(user.open);
    guest_end();
    return 0;
}

static void give_buffer(uint64_t at, uint32_t len)
{
    struct piece p = { at, len, true };
    assert_int_equal(submit(VIRTIO_CONSOLE_RX, chain_put(VIRTIO_CONSOLE_RX, &p, 1)), OK);
}

static size_t type(const char *text)
{
    return con.tty.dev->input(&con.tty, (const uint8_t *)text, strlen(text));
}

static void expect_input(const char *text, uint64_t at)
{
    struct virtq_used_elem e;
    char b[64];

    assert_true(used_take(VIRTIO_CONSOLE_RX, &e));
    assert_int_equal(e.len, strlen(text));
    ram_read(at, b, e.len);
    assert_memory_equal(b, text, e.len);
}

static void output_reaches_the_user(void **)
{
    struct piece p[] = { { BUF, 5, false }, { BUF + 100, 6, false } };
    struct virtq_used_elem e;
    drv_start(SLOT, 16, 0);
    assert_int_equal(cfg_get(SLOT, 2, 2), 0x1043);
    ram_write(BUF, "Hello", 5);
    ram_write(BUF + 100, " world", 6);
    assert_int_equal(submit(VIRTIO_CONSOLE_TX, chain_put(VIRTIO_CONSOLE_TX, p, 2)), OK);
    assert_int_equal(user.len, 11);
    assert_memory_equal(user.text, "Hello world", 11);
    assert_int_equal(user.heard, user.len);
    assert_true(used_take(VIRTIO_CONSOLE_TX, &e));
    assert_int_equal(e.len, 0);
    assert_int_equal(msi.data, 0x42);
}

static void long_output_is_whole_and_endless_output_is_cut(void **)
{
    struct piece p = { BUF, 40000, false };
    uint8_t b[1000];
    drv_start(SLOT, 16, 0);
    for (unsigned i = 0; i < 40; i++) {
        memset(b, 'a' + (int)(i % 26), sizeof b);
        ram_write(BUF + i * 1000, b, sizeof b);
    }
    submit(VIRTIO_CONSOLE_TX, chain_put(VIRTIO_CONSOLE_TX, &p, 1));
    assert_int_equal(user.len, 40000);
    for (unsigned i = 0; i < 40000; i++)
        assert_int_equal(user.text[i], 'a' + i / 1000 % 26);
    p = (struct piece){ 0, RAM_LOW, false };
    submit(VIRTIO_CONSOLE_TX, chain_put(VIRTIO_CONSOLE_TX, &p, 1));
    assert_int_equal(user.len, 40000 + 65536);
    assert_int_equal(stopped.count, 0);
    user.len = kicks_repeated = 0;
    p.len = 3000;
    for (unsigned i = 0; i < 6; i++)
        avail_put(VIRTIO_CONSOLE_TX, chain_put(VIRTIO_CONSOLE_TX, &p, 1));
    assert_int_equal(kick(VIRTIO_CONSOLE_TX), OK);
    assert_int_equal(user.len, 18000);
    assert_int_equal(kicks_repeated, 2); /* others had their turn */
}

static void input_reaches_the_guest(void **)
{
    drv_start(SLOT, 16, 0);
    give_buffer(BUF, 4);
    give_buffer(BUF + 100, 16);
    assert_int_equal(type("abcdefg"), 7);
    expect_input("abcd", BUF);
    expect_input("efg", BUF + 100);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.data, 0x41);
    assert_int_equal(user.drained, 0);
}

static void refused_input_is_asked_for_again(void **)
{
    assert_int_equal(type("x"), 0); /* no driver yet */
    drv_start(SLOT, 16, 0);
    user.drained = 0;
    give_buffer(BUF, 3);
    assert_int_equal(user.drained, 0); /* starting the driver has already said so */
    assert_int_equal(type("abcdef"), 3);
    expect_input("abc", BUF);
    assert_int_equal(type("def"), 0);
    give_buffer(BUF + 8, 3);
    assert_int_equal(user.drained, 1);
    assert_int_equal(type("def"), 3);
    expect_input("def", BUF + 8);
    give_buffer(BUF, 3);
    assert_int_equal(user.drained, 1); /* nothing waits */
}

static void wrong_way_buffers(void **)
{
    struct piece p = { BUF, 4, false };
    struct virtq_used_elem e;
    drv_start(SLOT, 16, 0);
    submit(VIRTIO_CONSOLE_RX, chain_put(VIRTIO_CONSOLE_RX, &p, 1)); /* cannot be filled: handed back empty */
    give_buffer(BUF, 4);
    assert_int_equal(type("abcd"), 4);
    assert_true(used_take(VIRTIO_CONSOLE_RX, &e));
    assert_int_equal(e.len, 0);
    expect_input("abcd", BUF);
    p.writable = true;
    submit(VIRTIO_CONSOLE_TX, chain_put(VIRTIO_CONSOLE_TX, &p, 1)); /* says nothing */
    assert_int_equal(user.len, 0);
    assert_int_equal(stopped.count, 0);
}

static void a_broken_receive_queue_stops_the_guest(void **)
{
    drv_start(SLOT, 16, 0);
    avail_put(VIRTIO_CONSOLE_RX, 99);
    assert_int_equal(kick(VIRTIO_CONSOLE_RX), OK);
    assert_int_equal(type("abc"), 3); /* swallowed: nobody will read it */
    assert_int_equal(stopped.count, 1);
    assert_string_equal(stopped.text, "virtio-console: descriptor number past the table in queue 0");
    assert_int_equal(type("abc"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(output_reaches_the_user),
        T(long_output_is_whole_and_endless_output_is_cut),
        T(input_reaches_the_guest),
        T(refused_input_is_asked_for_again),
        T(wrong_way_buffers),
        T(a_broken_receive_queue_stops_the_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
