/* From a path to a program that can start: scripts' interpreters, ELF segments, the first stack. */
#include <linux/auxvec.h>
#include "arch/x86/cpu.h"
#include "libos/load.h"
#include "libos/file.h"
#include "libos/user.h"
#include "libos/vma.h"

#define STACK_BYTES MIB(8)
#define STACK_GUARD MIB(1) /* nothing is mapped below the stack, so that one that overflows faults */
#define SCRIPTS_MAX 5u
#define SCRIPT_LINE 255u
#define AUXV_MAX 24

extern const uint8_t vdso_image[]; /* vdso/image.S */
char program_path[PATH_MAX];
uint64_t program_auxv[2 * AUXV_MAX], program_args, program_args_end, program_env_end, program_stack;
static uint64_t loader_from, loader_end;
bool program_loading;

/* heap: the program's begins behind this segment. */
static int segment_map(struct file *f, const struct elf_segment *s, uint64_t bias, bool heap)
{
    uint64_t start = align_down(s->vaddr, PAGE_SIZE) + bias, file_end = s->vaddr + s->filesz + bias, end = s->vaddr + s->memsz + bias;
    uint64_t mapped = align_up(file_end, PAGE_SIZE);
    uint32_t prot = (s->read ? PROT_READ : 0) | (s->write ? PROT_WRITE : 0) | (s->exec ? PROT_EXEC : 0);
    int64_t e = start;

    if (s->filesz)
        e = vma_mmap(start, mapped - start, prot, MAP_PRIVATE | MAP_FIXED, f, align_down(s->offset, PAGE_SIZE));
    else
        mapped = start;
    end = align_up(end, PAGE_SIZE);
    if (e >= 0 && end > mapped)
        e = heap && prot == (PROT_READ | PROT_WRITE) ? vma_bss(mapped, end - mapped) :
                                                       vma_mmap(mapped, end - mapped, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
    return e < 0 ? (int)e : 0;
}

/* What lies behind the file's bytes in their last page: when all is mapped, since the first touch has the mappings made that wait (maps.c). */
static void image_clear(const struct elf *e, uint64_t bias)
{
    for (unsigned i = 0; i < e->count; i++) {
        const struct elf_segment *s = &e->seg[i];
        uint64_t end = s->vaddr + s->filesz + bias;
        if (s->filesz && s->memsz > s->filesz && s->write)
            user_clear(end, align_up(end, PAGE_SIZE) - end);
    }
}

/* at: where a file that may go anywhere is put, the program's; 0, its loader's: the kernel's choice. */
static int image_map(struct file *f, const struct elf *e, uint64_t at, uint64_t *bias)
{
    int result = 0;

    *bias = 0;
    if (e->dynamic) {
        int64_t place = at ? (int64_t)at : vma_mmap(0, e->high - e->low, 0, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
        *bias = (uint64_t)place - e->low;
        result = place < 0 ? (int)place : 0;
    }
    for (unsigned i = 0; !result && i < e->count; i++)
        result = segment_map(f, &e->seg[i], *bias, at && i + 1 == e->count);
    return result;
}

/* Opens a file that may be run and reads its start. The bytes read, or -errno. */
static int64_t head_read(const char *path, uint8_t *head, struct file **f)
{
    int e = file_open(cwd, path, O_RDONLY, 0, f);

    if (e)
        return e;
    return ((*f)->node->mode & S_IFMT) != S_IFREG || !((*f)->node->mode & 0111) ? -EACCES : file_read_at(*f, head, ELF_HEADER, 0);
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

static void strings_push(struct stack *s, const struct program_args *args, uint64_t *at)
{
    uint64_t p = program_args = push(s, args->text, args->size);

    program_env_end = p + args->size;
    program_args_end = program_env_end;
    for (uint32_t i = 0; i < args->argc + args->envc; i++) {
        if (i == args->argc)
            program_args_end = p;
        at[i] = p;
        p += strlen((const char *)p) + 1;
    }
}

static unsigned auxv_fill(const struct elf *e, uint64_t bias, uint64_t base, uint64_t random, uint64_t name, uint64_t platform)
{
    uint64_t *v = program_auxv;
    unsigned n = 0;

    const uint64_t rows[][2] = {
        { AT_PHDR, e->phdr ? e->phdr + bias : 0 }, { AT_PHENT, 56 }, { AT_PHNUM, e->phnum }, { AT_PAGESZ, PAGE_SIZE }, { AT_BASE, base }, { AT_FLAGS, 0 },
        { AT_ENTRY, e->entry + bias }, { AT_UID, user_id.real }, { AT_EUID, user_id.effective }, { AT_GID, group_id.real }, { AT_EGID, group_id.effective }, { AT_SECURE, 0 },
        { AT_RANDOM, random }, { AT_HWCAP, cpu_id(1, 0).edx }, { AT_HWCAP2, 2 }, { AT_CLKTCK, 100 }, { AT_PLATFORM, platform }, { AT_EXECFN, name },
        { AT_SYSINFO_EHDR, (uint64_t)vdso_image }, { AT_MINSIGSTKSZ, fpu_size + 1200 }, { AT_NULL, 0 },
    };
    for (; n < ARRAY_LEN(rows); n++) {
        v[2 * n] = rows[n][0];
        v[2 * n + 1] = rows[n][1];
    }
    return n;
}

static int stack_make(const struct program_args *args, const struct elf *e, uint64_t bias, uint64_t base, uint64_t *sp)
{
    unsigned n = args->argc + args->envc, naux;
    uint64_t *at = mem_get((n + 1) * sizeof *at), name, random, platform;
    int64_t low = vma_mmap(0, STACK_GUARD + STACK_BYTES, 0, MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
    struct stack s;
    uint8_t seed[16];

    if (low < 0 || !at) {
        mem_put(at);
        return low < 0 ? (int)low : -ENOMEM;
    }
    low = vma_mmap((uint64_t)low + STACK_GUARD, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_STACK, NULL, 0);
    if (low < 0) {
        mem_put(at);
        return (int)low;
    }
    maps_flush();
    program_stack = s.bottom = (uint64_t)low;
    s.at = s.bottom + STACK_BYTES - 8;
    random_bytes(seed, sizeof seed);
    name = push(&s, program_path, strlen(program_path) + 1);
    strings_push(&s, args, at);
    platform = push(&s, "x86_64", 7);
    s.at &= ~15ull;
    random = push(&s, seed, sizeof seed);
    naux = auxv_fill(e, bias, base, random, name, platform);
    s.at -= 8 * (1 + n + 2 + 2 * naux);
    s.at &= ~15ull;
    *sp = s.at;
    uint64_t *out = (uint64_t *)s.at;
    *out++ = args->argc;
    memcpy(out, at, 8 * args->argc);
    out += args->argc;
    *out++ = 0;
    memcpy(out, at + args->argc, 8 * args->envc);
    out += args->envc;
    *out++ = 0;
    memcpy(out, program_auxv, 16 * naux);
    mem_put(at);
    return 0;
}

/* --- finding it --------------------------------------------------------------------------------------------------------- */
static char *word_end(char *p)
{
    while (*p && *p != ' ' && *p != '\t')
        p++;
    return p;
}

static char *word_start(char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* "#! interpreter argument": both, the argument with the spaces inside it; NULL if there is none. */
static char *script_split(char *line, char **argument)
{
    char *name = word_start(line + 2), *rest, *end = name;

    while (*end && *end != '\n')
        end++;
    while (end > name && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    rest = word_end(name);
    *argument = *rest ? word_start(rest + 1) : NULL;
    *rest = 0;
    return name;
}

/* The interpreter, its argument and the script's path take the place of the first argument. */
static int script_args(struct program *p, const char *interpreter, const char *argument, const char *path)
{
    const char *parts[3] = { interpreter, argument ? argument : path, argument ? path : NULL };
    size_t skip = p->args.argc ? strlen(p->args.text) + 1 : 0, size = p->args.size - skip;
    char *text, *to;

    for (unsigned i = 0; i < 3 && parts[i]; i++)
        size += strlen(parts[i]) + 1;
    to = text = mem_get(size);
    if (!text)
        return -ENOMEM;
    for (unsigned i = 0; i < 3 && parts[i]; i++) {
        size_t n = strlen(parts[i]) + 1;
        memcpy(to, parts[i], n);
        to += n;
    }
    memcpy(to, p->args.text + skip, p->args.size - skip);
    p->args.text = text;
    p->args.size = (uint32_t)size;
    p->args.argc += (argument ? 3 : 2) - (skip ? 1 : 0);
    mem_put(p->owned);
    p->owned = text;
    return 0;
}

static int elf_open(const char *path, uint8_t *head, struct file **f, struct elf *e)
{
    int64_t n = head_read(path, head, f);

    return n < 0 ? (int)n : elf_parse(head, (size_t)n, e) ? -ENOEXEC : 0;
}

/* Goes from script to interpreter until there is a program. head: ELF_HEADER + 1 bytes. */
static int find(const char *path, uint8_t *head, struct program *p)
{
    for (unsigned depth = 0; depth < SCRIPTS_MAX; depth++) {
        int64_t n = head_read(path, head, &p->file);
        char *interpreter, *argument;
        int e;

        if (n < 0)
            return (int)n;
        if (n < 3 || head[0] != '#' || head[1] != '!')
            return elf_parse(head, (size_t)n, &p->elf) ? -ENOEXEC : 0;
        head[min_size((size_t)n, SCRIPT_LINE)] = 0;
        interpreter = script_split((char *)head, &argument);
        e = *interpreter ? script_args(p, interpreter, argument, path) : -ENOEXEC;
        if (e)
            return e;
        file_put(p->file);
        p->file = NULL;
        path = p->args.text;
    }
    return -ELOOP;
}

int program_find(const char *path, const struct program_args *args, struct program *p)
{
    uint8_t *head = mem_get(ELF_HEADER + 1);
    int e = head ? 0 : -ENOMEM;

    memset(p, 0, sizeof *p);
    p->args = *args;
    if (!e)
        e = find(path, head, p);
    if (!e && p->args.size > STACK_BYTES / 4)
        e = -E2BIG;
    if (!e && p->elf.interp[0])
        e = elf_open(p->elf.interp, head, &p->loader, &p->loader_elf);
    mem_put(head);
    return e;
}

void program_free(struct program *p)
{
    if (p->file)
        file_put(p->file);
    if (p->loader)
        file_put(p->loader);
    mem_put(p->owned);
}

bool program_loads(uint64_t rip) { return program_loading && rip >= loader_from && rip < loader_end; }

int program_map(struct program *p, struct regs *r)
{
    uint64_t bias, base = 0, loader_bias = 0, entry, sp;
    int e = image_map(p->file, &p->elf, PIE_AT, &bias);

    entry = p->elf.entry + bias;
    if (!e && p->loader) {
        e = image_map(p->loader, &p->loader_elf, 0, &loader_bias);
        entry = p->loader_elf.entry + loader_bias;
        base = p->loader_elf.low + loader_bias;
    }
    loader_from = base;
    loader_end = p->loader_elf.high + loader_bias;
    program_loading = p->loader;
    if (e)
        return e;
    if (node_path(p->file->node, program_path, PATH_MAX) < 0)
        str_copy(program_path, PATH_MAX, p->args.text);
    vma_brk_start(p->elf.high + bias);
    e = stack_make(&p->args, &p->elf, bias, base, &sp);
    image_clear(&p->elf, bias);
    image_clear(&p->loader_elf, loader_bias);
    if (!e)
        *r = (struct regs){ .rip = entry, .rsp = sp, .rflags = 0x202, .cs = 0x33, .ss = 0x2B, .vector = 257, .error = ~0ull };
    return e;
}
