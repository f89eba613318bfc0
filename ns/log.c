/* The end of the monitor's log, of which a guest's lines begin with its name: what /vm/NAME/log shows. */
#include "base/str.h"
#include "ns/guests.h"
#include "vm/work.h"

#define LOG_BYTES 16384u /* a power of two */

static struct {
    struct lock lock; /* a leaf */
    uint64_t written;
    char text[LOG_BYTES];
} log;

void ns_log(const char *line)
{
    lock_take(&log.lock);
    for (; *line; line++)
        log.text[log.written++ % LOG_BYTES] = *line;
    log.text[log.written++ % LOG_BYTES] = '\n';
    lock_drop(&log.lock);
    work_changed();
}

/* The line at *at, without its end; moves *at behind it. False at the end of the log. */
static bool log_line(uint64_t *at, char *line, size_t size)
{
    size_t n = 0;
    char c;

    lock_take(&log.lock);
    bool any = *at < log.written;
    while (*at < log.written && (c = log.text[(*at)++ % LOG_BYTES]) != '\n')
        if (n + 1 < size)
            line[n++] = c;
    lock_drop(&log.lock);
    line[n] = 0;
    return any;
}

void ns_log_of(struct ns_guest *g, struct tree_text *x)
{
    uint64_t at = log.written > LOG_BYTES ? log.written - LOG_BYTES : 0;
    size_t n = strlen(g->name);
    char line[256];

    while (log_line(&at, line, sizeof line))
        if (str_starts(line, g->name) && line[n] == ':')
            tree_print(x, "%s\n", line);
}
