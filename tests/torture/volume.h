/* volume.h - a file system in memory that knows what of it would survive a power cut.
 *
 *     volume_init -> (changes, syncs) -> volume_crash -> volume_clear
 *
 * For each file and directory it has what programs see, what is durable, and the changes between
 * the two, in order. A sync makes durable what was there when it began. What a power cut leaves of
 * the changes that no sync covers is for struct cut to say:
 *  - of each sector of a file some first number of the changes made to it, independently of other
 *    sectors; the size that the file had after any number of changes; or whole changes in order;
 *  - of the names in a directory any subset of the changes, or a first part of them.
 * So what one sector held is lost only with all that came after it in the same sector, because it
 * is the page that gets written; and nothing is known about the order of two files, two
 * directories, or two sectors.
 *
 * Memory that runs out ends the program (content.h). */
#ifndef TESTS_TORTURE_VOLUME_H
#define TESTS_TORTURE_VOLUME_H

#include "chance.h"
#include "content.h"

/* What a file or directory is for: by its name, which store/paths.h has. */
enum volume_role {
    ROLE_OTHER,
    ROLE_ROOT,
    ROLE_DOMAIN,
    ROLE_USER,
    ROLE_BUCKET,
    ROLE_INFO,
    ROLE_DELETED,
    ROLE_INDEX,
    ROLE_DATA,
    ROLE_JOURNAL,
    ROLE_SEGMENT,
};

/* A change of a file: bytes written, or (bytes NULL) a new size. */
struct file_change {
    uint64_t offset; /* or the new size */
    size_t length;
    size_t size_after; /* of the file */
    unsigned char *bytes;
};

struct node;

struct entry {
    char *name;
    struct node *node;
};

struct entries {
    struct entry *items;
    size_t count, room;
};

/* A change of a directory: `name` goes (if not NULL), and `to` is node from now on (if not NULL).
 */
struct name_change {
    char *name, *to;
    struct node *node;
};

struct node {
    size_t number; /* in its volume */
    bool is_directory;
    enum volume_role role;
    uint64_t done; /* changes that are durable; those in the list follow */
    size_t change_count, change_room;
    /* of a file */
    struct content *now, *safe;
    struct file_change *changes;
    /* of a directory */
    struct entries names, safe_names;
    struct name_change *name_changes;
};

struct volume {
    struct node **nodes;
    size_t count, room;
    struct node *root;
    struct content *stale; /* of the last segment that was removed */
};

/* How a power cut goes. */
enum cut_kind { CUT_KEEPS_ALL, CUT_DROPS_ALL, CUT_BY_CHANCE };

struct cut {
    enum cut_kind kind;
    struct chance chance;
    unsigned lost, kept; /* of 8 files, about so many lose, or keep, all that was not synced */
    size_t sector;       /* bytes that reach the disk at once */
    bool shows_stale;    /* what a new segment never got holds bytes of an old one, not zeros */
    uint64_t digest;     /* of what was decided; set by volume_crash */
};

void volume_init(struct volume *volume);
void volume_clear(struct volume *volume); /* harmless twice */

/* NULL: not there. "." is the root. */
struct node *volume_find(const struct volume *volume, const char *name);

/* The directory above must be there, and nothing of this name. */
struct node *volume_create(struct volume *volume, const char *name, bool is_directory);

/* False if `from`, or the directory of `to`, is not there, or they are in two directories. */
bool volume_rename(struct volume *volume, const char *from, const char *to);
bool volume_unlink(struct volume *volume, const char *name);

void volume_write(struct node *node, uint64_t offset, const void *bytes, size_t length);
void volume_resize(struct node *node, uint64_t size);

/* What a sync that begins now will make durable, and its end. */
uint64_t volume_begin_sync(const struct node *node);
void volume_end_sync(struct node *node, uint64_t begun);

/* The same, with all that is not durable. */
void volume_copy(const struct volume *volume, struct volume *copy);

/* What is there after the power was cut; all of it is durable. */
void volume_crash(const struct volume *volume, struct cut *cut, struct volume *after);

/* Is this, name by name and byte by byte, what stands below a real directory? Says on stderr what
 * differs. */
bool volume_check_directory(const struct volume *volume, const char *directory);

/* Writes it there, to be looked at; the directory must not be there yet. */
bool volume_save(const struct volume *volume, const char *directory);

/* For volume_crash.c. */
struct node *volume_add_node(struct volume *volume, bool is_directory, enum volume_role role);
void volume_set_entry(struct entries *entries, const char *name, struct node *node);
void volume_copy_entries(struct entries *to, const struct entries *from);
void volume_clear_entries(struct entries *entries);
void volume_apply_change(struct content *content, const struct file_change *change);
void volume_apply_name_change(struct entries *entries, const struct name_change *change);

#endif
