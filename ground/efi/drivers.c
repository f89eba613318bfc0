/* Names the backends and drivers. With main.c the only place of this ground that does. */
#include "ground/efi/drivers.h"
#include "base/fmt.h"
#include "base/str.h"
#include "cpu/svm/svm.h"
#include "dev/pc.h"
#include "ground/efi/launch.h"
#include "ground/efi/platform.h"
#include "ground/ground.h"
#include "io/blk.h"
#include "io/ramdisk.h"
#include "io/tty.h"
#include "vm/cpu.h"

static const struct cpu_ops *const cpu_backends[] = { &cpu_svm }; /* the first that works wins */

const char *drivers_cpu(void)
{
    const char *lacks = NULL;

    for (unsigned i = 0; i < ARRAY_LEN(cpu_backends); i++) {
        lacks = cpu_backends[i]->lacks();
        if (!lacks) {
            cpu = cpu_backends[i];
            return NULL;
        }
    }
    return lacks;
}
