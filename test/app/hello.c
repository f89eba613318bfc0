/* Says what it was given. */
#include "test/app/app.h"

const char app_name[] = "hello";

int app_main(void)
{
    const char *s = (const char *)app_boot->strings;

    say("magic %x version %u size %u", app_boot->magic, app_boot->version, app_boot->size);
    CHECK(app_boot->magic == APP_MAGIC && app_boot->version == APP_VERSION && app_boot->size >= sizeof *app_boot);
    say("host %s, %u CPUs, %" PRIu64 " MiB, %u arguments, CPL %u", app_boot->host, app_boot->ncpus, app_boot->mem_limit >> 20, app_boot->argc,
        ({ uint16_t cs; __asm__("mov %%cs, %0" : "=r"(cs)); cs & 3u; }));
    for (uint32_t i = 0; i < app_boot->argc; i++, s += strlen(s) + 1)
        say("argument %u: %s", i, s);
    CHECK(now_ns() < now_ns() + 1);
    pass();
}
