#include "test/unit/unit.h"
#include <string.h>

#include "base/chacha.h"

/* RFC 8439, section 2.3.2 */
static void block_matches_the_rfc_vector(void **)
{
    static const uint8_t want[CHACHA_BLOCK] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
        0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e,
        0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2,
        0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    static const uint32_t at[4] = { 1, 0x09000000, 0x4a000000, 0 };
    uint8_t key[CHACHA_KEY], out[CHACHA_BLOCK];

    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    chacha_block(key, at, out);
    assert_memory_equal(out, want, sizeof want);
}

/* RFC 8439, appendix A.1, test vector 1 */
static void zero_key_gives_the_known_stream(void **)
{
    static const uint8_t want[8] = { 0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90 };
    static const uint32_t at[4] = { 0 };
    uint8_t key[CHACHA_KEY] = { 0 }, out[CHACHA_BLOCK];

    chacha_block(key, at, out);
    assert_memory_equal(out, want, sizeof want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_matches_the_rfc_vector),
        cmocka_unit_test(zero_key_gives_the_known_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
