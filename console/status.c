/* The status screen. */
#include "console/status.h"
#include "base/fmt.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/vm.h"

#define LINE_MAX (2 * TERM_COLS_MAX)
#define FIXED_ROWS 7u /* two of head, column titles, two of keys, the question, a rule */
#define LOG_ROWS 6u   /* at least */
#define SAMPLE_NS 900000000u

static const char *const state_names[] = { [VM_OFF] = "off", [VM_RUNNING] = "running", [VM_FROZEN] = "template", [VM_STOPPING] = "stopping" };

void status_init(struct status *s, unsigned cols, unsigned rows, void *mem, const char *build_id)
{
    *s = (struct status){ .build_id = build_id, .laid_out = UINT32_MAX };
    view_init(&s->view, cols, rows, mem, STATUS_BYTES);
}

/* --- figures --- */

static void sample(struct view *v, uint64_t ticks)
{
    struct vm_stats now;
    uint64_t ms = ground_tsc_to_ns(ticks) / 1000000;

    vm_stats(v->vm, &now);
    if (now.cpu_tsc < v->cpu_tsc || now.exits < v->exits) /* it was started anew */
        v->cpu_tsc = v->exits = 0;
    v->cpu_percent = (unsigned)((now.cpu_tsc - v->cpu_tsc) * 100 / ticks);
    v->exits_per_s = (now.exits - v->exits) * 1000 / max_u64(ms, 1);
    v->cpu_tsc = now.cpu_tsc;
    v->exits = now.exits;
}

void status_sample(struct status *s, uint64_t now)
{
    uint64_t ticks = now - s->sampled;

    if (ticks < ground_ns_to_tsc(SAMPLE_NS))
        return;
    for (unsigned i = 0; i < s->nguests; i++)
        sample(s->guest[i], ticks);
    s->sampled = now;
}

static unsigned state_of(const struct view *v) { return atomic_load(&v->vm->state); }

static bool is_there(const struct view *v) { return state_of(v) == VM_RUNNING || state_of(v) == VM_FROZEN; }

/* Why it does not run; "-" if it does. */
static void why(const struct view *v, char *buf, size_t size)
{
    const struct vm *vm = v->vm;

    if (is_there(v))
        str_copy(buf, size, "-");
    else
        fmt_text(buf, size, "%s%s%.90s", vm_why_text(vm->why), vm->why_text[0] ? ": " : "", vm->why_text);
}

static void uptime(char *buf, size_t size, uint64_t ticks)
{
    uint64_t s = ground_tsc_to_ns(ticks) / 1000000000;

    fmt_text(buf, size, "%" PRIu64 ":%02u:%02u", s / 3600, (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

void status_plain_row(const struct view *v, char *buf, size_t size)
{
    bool running = is_there(v);
    char name[VM_NAME_MAX], reason[160];

    str_copy(name, sizeof name, v->vm->cfg.name);
    for (char *c = name; *c; c++)
        if (*c == ' ')
            *c = '_';
    why(v, reason, sizeof reason);
    fmt_text(buf, size, "%s %s %u %" PRIu64 "M %u %" PRIu64 " %s", name, state_names[state_of(v)], v->vm->cfg.vcpus,
             v->vm->cfg.memory >> 20, running ? v->cpu_percent : 0, running ? v->exits_per_s : 0, reason);
}

/* --- the screen --- */

/* Puts text in a row unless it is there already. */
static void PRINTF(4, 5) put_row(struct status *s, unsigned y, bool reverse, const char *fmt, ...)
{
    unsigned cols = s->view.term.cols;
    char text[TERM_COLS_MAX], out[LINE_MAX];
    uint32_t hash = 2166136261u + reverse; /* FNV-1a */
    va_list ap;

    va_start(ap, fmt);
    size_t n = fmt_vtext(text, cols, fmt, ap);
    va_end(ap);
    for (; reverse && n < cols - 1; n++)
        str_copy(text + n, 2, " ");
    str_tame(text); /* names and reasons come from files and guests */
    for (const char *c = text; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    if (s->hash[y] == hash)
        return;
    s->hash[y] = hash;
    fmt_text(out, sizeof out, "\0337\33[%u;1H%s%s\33[K\33[m\0338", y + 1, reverse ? "\33[7m" : "\33[m", text);
    view_text(&s->view, out);
}

/* Row y of the log as a line of text, ASCII. False if it is not a finished line. */
static bool log_line(struct view *log, unsigned y, char text[TERM_COLS_MAX + 3])
{
    lock_take(&log->lock);
    const struct cell *c = term_row(&log->term, y, 0);
    unsigned n = log->term.cols;
    bool finished = y < log->term.cur.y;
    while (n && c[n - 1].ch <= ' ')
        n--;
    for (unsigned x = 0; x < n; x++)
        text[x] = c[x].ch < 0x20 || c[x].ch > 0x7E ? '?' : (char)c[x].ch;
    lock_drop(&log->lock);
    str_copy(text + n, 3, "\r\n");
    return finished;
}

/* Writes the last lines of the log below the table. */
static void put_log(struct status *s, struct view *log)
{
    char text[TERM_COLS_MAX + 3];
    unsigned room = s->view.term.rows - s->log_row - 1, last = log->term.cur.y;

    for (unsigned y = last > room ? last - room : 0; y < last && log_line(log, y, text); y++)
        view_text(&s->view, text);
}

static unsigned table_rows(const struct status *s)
{
    unsigned rows = s->view.term.rows - FIXED_ROWS - LOG_ROWS;

    return s->nguests < rows ? s->nguests : rows;
}

static void lay_out(struct status *s, struct view *log)
{
    char text[64];

    s->laid_out = table_rows(s);
    s->log_row = FIXED_ROWS + s->laid_out;
    memset(s->hash, 0, sizeof s->hash);
    fmt_text(text, sizeof text, "\33[?25l\33[m\33[r\33[2J\33[%u;%ur\33[%u;1H", s->log_row + 1, s->view.term.rows,
             s->log_row + 1);
    view_text(&s->view, text);
    put_log(s, log);
}

static void put_guest(struct status *s, unsigned i, unsigned y, uint64_t now)
{
    const struct view *v = s->guest[i];
    const struct vm *vm = v->vm;
    bool running = is_there(v);
    char up[24] = "-", cpu[16] = "-", exits[24] = "-", reason[160];

    if (running) {
        uptime(up, sizeof up, now - vm->tsc_start);
        fmt_text(cpu, sizeof cpu, "%u", v->cpu_percent);
        fmt_text(exits, sizeof exits, "%" PRIu64, v->exits_per_s);
    }
    why(v, reason, sizeof reason);
    put_row(s, y, i == s->selected, "%c%2u %-16.16s %-8s %5u %6" PRIu64 "M %4s %7s %9s  %s",
            i == s->selected ? '>' : ' ', i + 1, vm->cfg.name, state_names[state_of(v)], vm->cfg.vcpus,
            vm->cfg.memory >> 20, cpu, exits, up, reason);
}

/* The question, or all of the reason why the selected guest does not run: not before it can be started again. */
static void put_question(struct status *s, unsigned y)
{
    const struct view *v = s->nguests ? s->guest[s->selected] : NULL;
    char reason[160];

    if (s->question || !v || is_there(v) || state_of(v) == VM_STOPPING) {
        put_row(s, y, s->question, "%s", s->question ? s->question : "");
        return;
    }
    why(v, reason, sizeof reason);
    put_row(s, y, false, "%s: %s", v->vm->cfg.name, reason);
}

void status_refresh(struct status *s, struct view *log, uint64_t now)
{
    char up[24], more[64] = "";
    unsigned first, y = 0;

    status_sample(s, now);
    if (s->laid_out != table_rows(s))
        lay_out(s, log);
    uptime(up, sizeof up, now);
    put_row(s, y++, true, " Goblin %.40s   %u CPUs   up %s", s->build_id, ground_cpus(), up);
    if (s->unlisted)
        fmt_text(more, sizeof more, "   %u more guests: only in /vm", s->unlisted);
    put_row(s, y++, false, " %" PRIu64 " of %" PRIu64 " MiB of memory free, %" PRIu64 " pages%s", ground_pages_free() >> 8,
            ground_pages_total() >> 8, ground_pages_free(), more);
    put_row(s, y++, false, "   # NAME             STATE    VCPUS  MEMORY CPU%% EXITS/S    UPTIME  WHY");
    first = s->selected < s->laid_out ? 0 : s->selected - s->laid_out + 1;
    for (unsigned i = 0; i < s->laid_out; i++)
        put_guest(s, first + i, y++, now);
    put_row(s, y++, false, "Enter: attach   Ctrl-]: back here, and to the guest again   PgUp: scrollback");
    put_row(s, y++, false, "s start  b power button  k kill  r reset  l log  t table  R reboot  P power off");
    put_question(s, y++);
    put_row(s, y++, false, "--- log ---");
}
