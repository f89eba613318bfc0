/* goblin ps and goblin stop: the running guests of this user, by their files. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ground/linux/run.h"
#include "tools/goblin.h"
#include "tools/link.h"

#define STOP_SECONDS 10

static char *socket_of(const char *name)
{
    char dir[80];

    if (strchr(name, '/') || !guest_dir(dir, sizeof dir))
        return NULL;
    return text_of("%s/%s", dir, name);
}

/* Connects. One whose guest was killed is removed. */
static struct link *guest_open(const char *name)
{
    char *path = socket_of(name);
    struct link *l = path ? link_open(path) : NULL;

    if (path && !l && errno == ECONNREFUSED)
        (void)unlink(path);
    free(path);
    return l;
}

/* --- ps --- */

static void size_text(char *to, size_t size, const char *bytes)
{
    double n = strtod(bytes, NULL);
    const char *unit = "BKMGT";

    for (; n >= 1024 && unit[1]; unit++)
        n /= 1024;
    snprintf(to, size, n < 10 && *unit != 'B' ? "%.1f%c" : "%.0f%c", n, *unit);
}

static void time_text(char *to, size_t size, const char *ms)
{
    unsigned long long s = strtoull(ms, NULL, 10) / 1000;

    if (s < 3600)
        snprintf(to, size, "%llu:%02llu", s / 60, s % 60);
    else
        snprintf(to, size, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
}

static void row(const char *name)
{
    char text[1024], path[96], value[128], pid[24], up[24], cpu[16], used[16], limit[16], state[16];
    struct link *l = guest_open(name);

    if (!l)
        return;
    snprintf(path, sizeof path, "%s/status", name);
    if (link_read(l, path, text, sizeof text) > 0) {
        link_value(text, "pid", pid, sizeof pid);
        link_value(text, "cpu", cpu, sizeof cpu);
        link_value(text, "up_ms", value, sizeof value);
        time_text(up, sizeof up, value);
        link_value(text, "used", value, sizeof value);
        size_text(used, sizeof used, value);
        link_value(text, "memory", value, sizeof value);
        size_text(limit, sizeof limit, value);
        link_value(text, "state", state, sizeof state);
        link_value(text, "image", value, sizeof value);
        printf("%-24s %7s %9s %4s %8s %8s  %s%s\n", name, pid, up, cpu, used, limit, value, strcmp(state, "template") ? "" : " (template)");
    }
    link_close(l);
}

static int visible(const struct dirent *d) { return d->d_name[0] != '.'; }

static int ps(int argc, char **)
{
    struct dirent **list;
    char dir[80];
    int n;

    if (argc > 1)
        return usage_of(&verb_ps);
    printf("%-24s %7s %9s %4s %8s %8s  %s\n", "NAME", "PID", "UP", "CPU%", "USED", "LIMIT", "PROGRAM");
    if (!guest_dir(dir, sizeof dir))
        return fail("no directory for the sockets of guests: set XDG_RUNTIME_DIR to one that only you can use");
    n = scandir(dir, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        row(list[i]->d_name);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return 0;
}

const struct verb verb_ps = { "ps", ps, "ps", "list running guests",
                              "One line for each program that runs under `goblin run` of this user: its name, the process it runs in, how long,\n"
                              "its share of a CPU, the memory it has and may have, and the program.\n", NULL };

/* --- stop --- */

/* Waits for the end, by a connection of its own. */
static bool ends_within(const char *name, long seconds)
{
    char path[96], text[160];
    struct link *l = guest_open(name);
    bool ended;

    if (!l)
        return true;
    link_limit(l, seconds);
    snprintf(path, sizeof path, "%s/wait", name);
    ended = link_read(l, path, text, sizeof text) >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    link_close(l);
    return ended;
}

static int stop_one(const char *name, long seconds)
{
    char path[96];
    struct link *l = guest_open(name);

    if (!l)
        return fail("there is no guest %s; `goblin ps` lists them", name);
    snprintf(path, sizeof path, "%s/ctl", name);
    if (link_write(l, path, "power") && errno != ECONNRESET) {
        link_close(l);
        return fail("%s: %m", name);
    }
    if (!ends_within(name, seconds))
        (void)link_write(l, path, "stop");
    link_close(l);
    if (!ends_within(name, STOP_SECONDS))
        return fail("%s does not end", name);
    puts(name);
    return 0;
}

static int stop(int argc, char **argv)
{
    long seconds = STOP_SECONDS;
    int status = 0, c;

    while ((c = getopt(argc, argv, "+t:")) != -1) {
        char *end = "";
        seconds = c == 't' ? strtol(optarg, &end, 10) : -1;
        if (seconds < 0 || *end)
            return usage_of(&verb_stop);
    }
    if (optind == argc)
        return usage_of(&verb_stop);
    for (int i = optind; i < argc; i++)
        status = stop_one(argv[i], seconds) ? FAILED : status;
    return status;
}

const struct verb verb_stop = { "stop", stop, "stop [-t SECONDS] NAME...", "end running guests",
                                "The program gets SIGTERM. If it has not ended 10 seconds later (-t: so many), it is ended by force. Names are those of\n"
                                "`goblin ps`; each is printed when its guest has ended.\n", NULL };
