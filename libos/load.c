#include "libos/load.h"
#include "libos/elf.h"
#include "libos/file.h"
#include "libos/vma.h"

#define STACK_BYTES MIB(8)
enum { AT_NULL, AT_PHDR = 3, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY, AT_UID = 11, AT_EUID, AT_GID, AT_EGID, AT_PLATFORM,
    AT_HWCAP, AT_CLKTCK, AT_SECURE = 23, AT_RANDOM = 25, AT_HWCAP2, AT_EXECFN = 31, AT_SYSINFO_EHDR = 33, AT_MINSIGSTKSZ = 51 };
#define AUXV_MAX 24

extern const uint8_t vdso_image[]; /* vdso/image.S */
char program_path[PATH_MAX];
uint64_t program_auxv[2 * AUXV_MAX], program_args, program_args_end, program_env_end, program_stack;

static int segment_map(struct file *f, const struct elf_segment *s, uint64_t bias)
{
    uint64_t start = align_down(s->vaddr, PAGE_SIZE) + bias, file_end = s->vaddr + s->filesz + bias, end = s->vaddr + s->memsz + bias;
    uint64_t mapped = align_up(file_end, PAGE_SIZE);
    uint32_t prot = (s->read ? PROT_READ : 0) | (s->write ? PROT_WRITE : 0) | (s->exec ? PROT_EXEC : 0);
    int64_t e = start;

    if (s->filesz)
        e = vma_mmap(start, mapped - start, prot, MAP_PRIVATE | MAP_FIXED, f, align_down(s->offset, PAGE_SIZE));
    else
        mapped = start;
    if (e >= 0 && s->memsz > s->filesz && s->filesz && prot & PROT_WRITE)
        user_clear(file_end, mapped - file_end);
    if (e >= 0 && align_up(end, PAGE_SIZE) > mapped)
        e = vma_mmap(mapped, align_up(end, PAGE_SIZE) - mapped, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
    return e < 0 ? (int)e : 0;
}

/* at: where a file that may go anywhere is put; 0: the kernel's choice. */
static int image_map(const char *path, struct elf *e, uint64_t at, uint64_t *bias, char *interpreter)
{
    uint8_t *head = mem_get(ELF_HEADER);
    struct file *f = NULL;
    int64_t n = -ENOMEM;
    err_t bad;

    if (head)
        n = file_open(cwd, path, O_RDONLY, 0, &f);
    if (!n)
        n = (f->node->mode & S_IFMT) != S_IFREG || !(f->node->mode & 0111) ? -EACCES : file_read_at(f, head, ELF_HEADER, 0);
    if (n >= 0) {
        if (n > 2 && head[0] == '#' && head[1] == '!' && interpreter) {
            memcpy(interpreter, head + 2, 254);
            n = 1;
        } else {
            bad = elf_parse(head, (size_t)n, e);
            n = bad ? -ENOEXEC : 0;
        }
    }
    *bias = 0;
    if (n == 0 && e->dynamic) {
        int64_t place = at ? (int64_t)at : vma_mmap(0, e->high - e->low, 0, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
        *bias = (uint64_t)place - e->low;
        n = place < 0 ? place : 0;
    }
    for (unsigned i = 0; n == 0 && i < e->count; i++)
        n = segment_map(f, &e->seg[i], *bias);
    if (f)
        file_put(f);
    mem_put(head);
    return (int)n;
}

/* --- the first stack ------------------------------------------------------------------------------------------------------- */
struct stack {
    uint64_t at, bottom;
};

static uint64_t push(struct stack *s, const void *bytes, size_t n)
{
    s->at -= n;
    memcpy((void *)s->at, bytes, n);
    return s->at;
}

struct script { /* "#! interpreter argument" */
    char *interpreter, *argument;
    const char *path;
};

static unsigned strings_push(struct stack *s, const struct script *sc, uint64_t *at)
{
    const char *from = (const char *)boot->strings;
    unsigned n = 0;

    program_env_end = s->at;
    if (sc->interpreter) {
        s->at -= strlen(sc->interpreter) + strlen(sc->argument) + strlen(sc->path) + 3;
        program_env_end = s->at;
    }
    s->at -= boot->strings_size;
    memcpy((void *)s->at, from, boot->strings_size);
    program_args = s->at;
    if (sc->interpreter) {
        uint64_t to = program_env_end;
        const char *parts[3] = { sc->interpreter, sc->argument, sc->path };
        for (unsigned i = 0; i < 3; i++) {
            size_t len = strlen(parts[i]) + 1;
            if (len == 1)
                continue;
            memcpy((void *)to, parts[i], len);
            at[n++] = to;
            to += len;
        }
    }
    for (uint64_t p = s->at, i = 0; i < boot->argc + boot->envc; i++) {
        if (i == boot->argc)
            program_args_end = p;
        if (!(sc->interpreter && i == 0))
            at[n++] = p;
        p += strlen((const char *)p) + 1;
    }
    return n;
}

static void cpuid1(uint32_t *edx)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    *edx = d;
}

static unsigned auxv_fill(const struct elf *e, uint64_t bias, uint64_t base, uint64_t random, uint64_t name, uint64_t platform)
{
    uint32_t hwcap;
    uint64_t *v = program_auxv;
    unsigned n = 0;

    cpuid1(&hwcap);
    const uint64_t rows[][2] = {
        { AT_PHDR, e->phdr ? e->phdr + bias : 0 }, { AT_PHENT, 56 }, { AT_PHNUM, e->phnum }, { AT_PAGESZ, PAGE_SIZE }, { AT_BASE, base }, { AT_FLAGS, 0 },
        { AT_ENTRY, e->entry + bias }, { AT_UID, boot->uid }, { AT_EUID, boot->uid }, { AT_GID, boot->gid }, { AT_EGID, boot->gid }, { AT_SECURE, 0 },
        { AT_RANDOM, random }, { AT_HWCAP, hwcap }, { AT_HWCAP2, 2 }, { AT_CLKTCK, 100 }, { AT_PLATFORM, platform }, { AT_EXECFN, name },
        { AT_SYSINFO_EHDR, (uint64_t)vdso_image }, { AT_MINSIGSTKSZ, fpu_size + 1200 }, { AT_NULL, 0 },
    };
    for (; n < ARRAY_LEN(rows); n++) {
        v[2 * n] = rows[n][0];
        v[2 * n + 1] = rows[n][1];
    }
    return n;
}

static int stack_make(const struct elf *e, uint64_t bias, uint64_t base, const struct script *sc, uint64_t *sp)
{
    int64_t low = vma_mmap(0, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, NULL, 0);
    uint64_t *at = mem_get((boot->argc + boot->envc + 4) * sizeof *at);
    struct stack s;
    uint64_t name, random, platform, argc;
    uint8_t seed[16];
    unsigned n, naux;

    if (low < 0 || !at || boot->strings_size > STACK_BYTES / 4)
        return low < 0 ? (int)low : at ? -E2BIG : -ENOMEM;
    program_stack = s.bottom = (uint64_t)low;
    s.at = s.bottom + STACK_BYTES - 8;
    random_bytes(seed, sizeof seed);
    name = push(&s, program_path, strlen(program_path) + 1);
    n = strings_push(&s, sc, at);
    argc = n - boot->envc;
    platform = push(&s, "x86_64", 7);
    s.at &= ~15ull;
    random = push(&s, seed, sizeof seed);
    naux = auxv_fill(e, bias, base, random, name, platform);
    s.at -= 8 * (1 + n + 2 + 2 * naux);
    s.at &= ~15ull;
    *sp = s.at;
    uint64_t *out = (uint64_t *)s.at;
    *out++ = argc;
    for (unsigned i = 0; i < n; i++) {
        if (i == argc)
            *out++ = 0;
        *out++ = at[i];
    }
    if (n == argc)
        *out++ = 0;
    *out++ = 0;
    memcpy(out, program_auxv, 16 * naux);
    mem_put(at);
    return 0;
}

static void script_split(char *line, struct script *sc, const char *path)
{
    char *p = line, *end = line;

    while (*end && *end != '\n')
        end++;
    *end = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    *sc = (struct script){ .interpreter = p, .argument = end, .path = path };
    while (*p && *p != ' ' && *p != '\t')
        p++;
    if (*p) {
        *p++ = 0;
        while (*p == ' ' || *p == '\t')
            p++;
        sc->argument = p;
        for (end = p + strlen(p); end > p && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = 0;
    }
}

static void path_note(const char *path)
{
    struct node *n;

    if (node_walk(cwd, path, 0, &n, NULL, NULL) || node_path(n, program_path, PATH_MAX) < 0)
        str_copy(program_path, PATH_MAX, path);
}

int program_load(const char *path, struct program *p)
{
    static struct elf prog, interp; /* large, and used once */
    static char line[256];
    struct script sc = { 0 };
    uint64_t bias, base = 0, entry;
    int e = image_map(path, &prog, PIE_AT, &bias, line);

    if (e == 1) {
        script_split(line, &sc, path);
        path = sc.interpreter;
        e = image_map(path, &prog, PIE_AT, &bias, NULL);
    }
    if (e)
        return e;
    path_note(path);
    entry = prog.entry + bias;
    if (prog.interp[0]) {
        e = image_map(prog.interp, &interp, 0, &base, NULL);
        if (e)
            return e;
        entry = interp.entry + base;
    }
    vma_brk_start(prog.high + bias);
    p->entry = entry;
    return stack_make(&prog, bias, prog.interp[0] ? base + interp.low : 0, &sc, &p->sp);
}
