/* Random changes of address spaces, eight bytes each, against the model of test/unit/space_model.h. The first byte lets an allocation
 * fail now and then. */
#include "test/unit/space_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;

    if (!size)
        return 0;
    model_init(&m, data[0] & 0x80 ? 400 : 1000000);
    for (size_t at = 1; at + 8 <= size && at < 8 * 200; at += 8) {
        fake_fail_alloc(data[0] & 0x7F && at % 3 == 0 ? data[0] & 0x7F : 0);
        model_step(&m, data + at);
        fake_fail_alloc(0);
    }
    model_check_all(&m);
    model_fini(&m);
    ASSERT(!fake_pages_in_use());
    return 0;
}
