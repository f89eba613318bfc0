#pragma once
/* A boot entry: what the menu shows and what the ground starts. Made from a file of the Boot Loader Specification (type
 * 1), or by the ground from what it found: unified kernel images (type 2), other loaders, the machine's own verbs. */
#include "base/err.h"

#define ENTRY_TEXT_MAX KIB(64) /* of an entry file */
#define ENTRY_PATH_MAX 255     /* bytes of a file name with folders */
#define ENTRY_INITRDS 8
#define ENTRY_DISKS 8
#define ENTRY_DISK_MAX 63 /* bytes of a disk's text */
#define ENTRY_CPUS 16
#define ENTRY_SPACES_MAX 127 /* bytes of a namespace line */
#define ENTRY_OPTIONS 2048 /* bytes with the ending 0 */
#define ENTRY_NOTES 4

enum entry_kind {
    ENTRY_LINUX,  /* start: a kernel, with initrds */
    ENTRY_APP,    /* start: an app image; options: arguments for it */
    ENTRY_EFI,    /* start: an EFI program named by an entry file */
    ENTRY_UKI,    /* start: a unified kernel image; options: those inside it */
    ENTRY_LOADER, /* start: an EFI program that was found */
    ENTRY_SETUP,  /* the firmware's own set-up */
    ENTRY_REBOOT,
    ENTRY_POWER_OFF,
};

/* What a note forbids; 0 is a mere remark. */
#define ENTRY_NO_NATIVE 1u
#define ENTRY_NO_GUEST 2u
#define ENTRY_BLOCKED (ENTRY_NO_NATIVE | ENTRY_NO_GUEST)

/* What is wrong, where, and how to put it right. */
struct entry_note {
    unsigned line; /* of the entry file; 0: of no line */
    unsigned forbids;
    char text[152]; /* "memory: '5 apples' is not a size; write e.g. 512M" */
};

/* A file an entry names: UTF-8, from the root of the entry's volume. */
struct entry_file {
    const char *path;
    unsigned line;
};

/* Strings are never NULL; those the parser sets lie in the text it was given. */
struct entry {
    enum entry_kind kind;
    char id[128];     /* the file name without boot counters: "debian.conf"; "debian.efi@ID" of a further profile */
    size_t id_file;   /* bytes of the id that are the file's name */
    const char *file; /* the entry file, "/loader/entries/debian.conf", or what was found; "" for the machine's verbs */
    unsigned volume;  /* the ground's number of the volume it lies on */
    const char *title, *version, *machine_id, *sort_key;
    struct entry_file start;
    unsigned profile; /* of a unified kernel image; 0: its first, or only one */
    struct entry_file initrd[ENTRY_INITRDS];
    unsigned ninitrd;
    char options[ENTRY_OPTIONS];
    bool guest; /* run vm: as written, it starts as a guest */
    bool autostart;
    bool isolate;  /* an app inside a VM */
    bool template; /* an app: it shall become a template */
    unsigned guest_line, autostart_line, isolate_line, template_line;
    uint64_t memory; /* bytes */
    unsigned memory_line;
    unsigned cpus;
    struct entry_file disk[ENTRY_DISKS]; /* a file for a RAM disk if it starts with '/' */
    unsigned ndisks;
    const char *spaces; /* "/dev /vm:ro": the file trees a guest is given */
    bool hidden; /* for another architecture: not to be shown */
    bool bad;    /* its boot counter has run out: sorts last */
    struct entry_note note[ENTRY_NOTES];
    unsigned nnotes;
};

/* An empty entry whose file is called `name` ("debian+3-0.conf"). `file` is kept. */
void entry_init(struct entry *, enum entry_kind, const char *name, const char *file);
/* Reads an entry file into an entry made by entry_init(). `text` has room for len + 1 bytes, is changed, and kept for
 * the entry's life. Mistakes become notes. */
void entry_parse(struct entry *, char *text, size_t len);
/* Takes title, version and sort-key of a unified kernel image from its os-release; same rules for text. */
void entry_parse_osrel(struct entry *, char *text, size_t len);
/* Makes it the entry of a profile. text: its section ".profile"; same rules. title: gets "TITLE (PROFILE)" if there is more to say
 * than the entry's title does, and is kept. */
#define ENTRY_TITLE_MAX 160
void entry_set_profile(struct entry *, unsigned profile, char *text, size_t len, char title[ENTRY_TITLE_MAX]);

/* Adds a note. When there is no more room, only what it forbids is kept, with the last note. */
void entry_note(struct entry *, unsigned line, unsigned forbids, const char *fmt, ...) PRINTF(4, 5);
/* "/loader/entries/x.conf:7: memory: ..." */
void entry_note_text(const struct entry *, const struct entry_note *, char *buf, size_t size);
/* What all notes together forbid. */
unsigned entry_forbids(const struct entry *);
/* True if it cannot be started as it is written. */
bool entry_blocked(const struct entry *);

/* Negative if a stands above b in the menu: the specification's order, newest version first. */
int entry_order(const struct entry *a, const struct entry *b);
void entry_sort(struct entry **, unsigned count);
