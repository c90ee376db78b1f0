#include "store/salvage.h"

#include "store/paths.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 1 << 20,          /* bytes of data read at once */
    LOOK_AHEAD = 64,          /* entries: so many lines in a row may be lost */
    SPLITS_MOST = 1000,       /* places where a bad line may hold another record */
    PLAUSIBLE_STEP = 1 << 20, /* of a counter from one entry to the next */
    BYTE_BITS = 8,
    CRC_BITS = 32,
    COMMITS_MASK = 0xffffff,
};

/* --- What the index has ----------------------------------------------------------------------- */

static bool read_header(struct salvage *salvage, struct file *index, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct error cause;

    if (!file_read_at(index, bytes, sizeof bytes, 0, error))
        return false;
    if (index_is_foreign(bytes))
        return error_set(error, ERROR_DAMAGED, "%s: another version wrote it", index->name);
    salvage->has_header = index_read_header(bytes, &salvage->header, &cause);
    return true;
}

static bool read_entries(struct salvage *salvage, struct file *index, uint64_t size,
                         struct error *error)
{
    uint64_t count = (size - INDEX_HEADER_SIZE) / INDEX_ENTRY_SIZE;
    unsigned char bytes[INDEX_ENTRY_SIZE];

    salvage->entries = calloc((size_t)count + 1, sizeof *salvage->entries);
    salvage->is_matched = calloc((size_t)count + 1, sizeof *salvage->is_matched);
    if (!salvage->entries || !salvage->is_matched)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for the index");
    for (uint64_t i = 0; i < count; i++) {
        if (!file_read_at(index, bytes, sizeof bytes, INDEX_HEADER_SIZE + i * sizeof bytes, error))
            return false;
        index_read_entry(bytes, &salvage->entries[i]);
    }
    salvage->entry_count = count;
    return true;
}

/* None, or one too short to hold anything, is no failure. */
static bool read_index(struct salvage *salvage, struct error *error)
{
    struct file index = {0};
    char name[PATHS_SIZE];
    uint64_t size = 0;

    paths_put_index(name, salvage->path);
    if (!file_open(&index, salvage->disk, name, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    bool ok = file_size(&index, &size, error);
    if (ok && size >= INDEX_HEADER_SIZE)
        ok = read_header(salvage, &index, error) && read_entries(salvage, &index, size, error);
    file_close(&index);
    return ok;
}

/* --- Proof ------------------------------------------------------------------------------------ */

static uint32_t sum(uint32_t previous, const struct index_entry *entry, struct str line)
{
    unsigned char encoded[INDEX_ENTRY_SIZE];

    index_write_entry(encoded, entry);
    return index_entry_crc(previous, encoded, line);
}

static bool differs_in_a_byte(uint32_t a, uint32_t b)
{
    uint32_t difference = a ^ b;

    for (unsigned shift = 0; shift < CRC_BITS; shift += BYTE_BITS) {
        if ((difference & ~((uint32_t)0xff << shift)) == 0)
            return true;
    }
    return false;
}

/* The checksum before entry i, as it is written. */
static uint32_t crc_before(const struct salvage *salvage, uint64_t i)
{
    struct index_header header = {.generation = salvage->generation};

    if (i > 0)
        return salvage->entries[i - 1].crc;
    memcpy(header.id, salvage->has_header ? salvage->header.id : salvage->identity.id,
           INDEX_ID_SIZE);
    return index_first_crc(&header);
}

/* Does entry i follow from a checksum, going by the data as they are? */
static bool follows(struct salvage *salvage, uint64_t i, uint64_t start, uint32_t crc,
                    struct error *error)
{
    const struct index_entry *entry = &salvage->entries[i];

    if (entry->end < start || entry->end > salvage->data_size)
        return false;
    buf_reset(&salvage->other);
    size_t length = (size_t)(entry->end - start);
    char *to = buf_reserve(&salvage->other, length);
    return to && file_read_at(&salvage->data, to, length, start, error) &&
           sum(crc, entry, (struct str){to, length}) == entry->crc;
}

/* What the entry has to be, by its record; what a record does not tell is as it stands. */
static struct index_entry remake_entry(const struct salvage *salvage,
                                       const struct salvage_item *item)
{
    struct index_entry entry = salvage->entries[item->entry];
    struct batch_object object;

    record_describe(&salvage->record, salvage->identity.secret, &object);
    entry.counter = item->counter;
    entry.end = item->end;
    entry.key = object.key;
    entry.type = object.type;
    entry.expires = object.expires;
    entry.flags = object.flags | (entry.flags & INDEX_BATCH_END);
    return entry;
}

static bool is_same_entry(const struct index_entry *a, const struct index_entry *b)
{
    return a->counter == b->counter && a->end == b->end && a->key == b->key && a->type == b->type &&
           a->expires == b->expires && a->flags == b->flags;
}

/* How many commit entries stand before entry i, counted, modulo what the index holds. */
static uint32_t count_commits(const struct salvage *salvage, uint64_t i)
{
    if (i == 0)
        return 0;
    const struct index_entry *before = &salvage->entries[i - 1];
    return (before->commits + (before->flags & INDEX_COMMIT ? 1 : 0)) & COMMITS_MASK;
}

/* With this checksum before it, in one of the forms that the entry can have had? The entry is put
 * right then. */
static bool proves(struct salvage *salvage, struct salvage_item *item, uint32_t previous,
                   struct str line)
{
    struct index_entry *entry = &salvage->entries[item->entry];
    struct index_entry made = remake_entry(salvage, item);

    if (sum(previous, entry, line) == entry->crc && entry->counter == item->counter) {
        bool fits = made.key == entry->key && made.type == entry->type;

        salvage->fits_secret &= fits;
        salvage->proves_secret |= fits && (made.key != 0 || made.type != 0);
        return true;
    }
    for (unsigned i = 0; i < 4; i++) {
        made.commits = i & 1 ? count_commits(salvage, item->entry) : entry->commits;
        made.flags = (uint8_t)((made.flags & ~INDEX_BATCH_END) | (i & 2 ? INDEX_BATCH_END : 0));
        made.crc = sum(previous, &made, line);
        bool is_like = is_same_entry(&made, entry) && differs_in_a_byte(made.crc, entry->crc);
        if (made.crc == entry->crc || is_like) {
            *entry = made;
            return true;
        }
    }
    return false;
}

/* The checksum of the entry is as it was written: the next one goes on from it. At the end nobody
 * does, and all that can be said is that the entry knows where the record ends. */
static bool is_crc_proven(struct salvage *salvage, const struct salvage_item *item,
                          struct error *error)
{
    const struct index_entry *entry = &salvage->entries[item->entry];

    if (entry->end != item->end)
        return false;
    if (item->entry + 1 < salvage->entry_count)
        return follows(salvage, item->entry + 1, entry->end, entry->crc, error);
    return entry->crc != 0;
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* An entry that brings bytes of its own, whatever its flags say. */
static bool has_record(const struct salvage *salvage, uint64_t i)
{
    return salvage->entries[i].end > (i > 0 ? salvage->entries[i - 1].end : 0);
}

/* The entry of a record that ends there, or that has this counter (0: none has). */
static uint64_t find_entry(const struct salvage *salvage, uint64_t end, uint64_t counter)
{
    enum { BY_END, BY_COUNTER, BY_END_ALONE }; /* the last: its flags may be wrong */
    uint64_t first = salvage->next_entry;
    uint64_t left = salvage->entry_count - first;
    uint64_t last = first + (left < LOOK_AHEAD ? left : LOOK_AHEAD);

    for (unsigned way = BY_END; way <= BY_END_ALONE; way++) {
        for (uint64_t i = first; i < last; i++) {
            const struct index_entry *entry = &salvage->entries[i];
            bool is_commit = entry->flags & INDEX_COMMIT;

            if (way == BY_COUNTER ? entry->counter == counter && counter > 0 && !is_commit
                                  : entry->end == end && has_record(salvage, i) &&
                                        (!is_commit || way == BY_END_ALONE))
                return i;
        }
    }
    return SALVAGE_NO_ENTRY;
}

static void match(struct salvage *salvage, struct salvage_item *item)
{
    item->entry = find_entry(salvage, item->end, item->counter);
    if (item->entry == SALVAGE_NO_ENTRY)
        return;
    salvage->next_entry = item->entry + 1;
    salvage->is_matched[item->entry] = true;
}

/* Entry i as the commit entry that ends the append of the record before, if it is or was one. */
static bool read_commit(const struct salvage *salvage, uint64_t i, struct index_entry *commit)
{
    const struct index_entry *before = &salvage->entries[i - 1];
    uint32_t crc;

    *commit = salvage->entries[i];
    if (commit->flags & INDEX_COMMIT && sum(before->crc, commit, (struct str){0}) == commit->crc)
        return true;
    commit->counter = before->counter;
    commit->end = before->end;
    commit->commits = count_commits(salvage, i);
    commit->flags = INDEX_COMMIT | INDEX_BATCH_END;
    crc = sum(before->crc, commit, (struct str){0});
    bool is_like = differs_in_a_byte(crc, commit->crc);
    commit->crc = crc;
    return crc == salvage->entries[i].crc ||
           (is_like && is_same_entry(commit, &salvage->entries[i]));
}

/* Is the checksum right that entry i goes on from? A commit entry between two records is looked at
 * here; one that was damaged is put right. */
static bool is_trusted_before(struct salvage *salvage, uint64_t i)
{
    struct index_entry commit;

    if (i == 0)
        return salvage->has_header || salvage->knows_id;
    if (salvage->is_matched[i - 1])
        return salvage->trusted == i - 1;
    if (i == 1 || salvage->trusted != i - 2 || !read_commit(salvage, i - 1, &commit))
        return false;
    salvage->entries[i - 1] = commit;
    return true;
}

static void judge(struct salvage *salvage, struct salvage_item *item, struct str line)
{
    struct error cause;

    match(salvage, item);
    if (item->entry == SALVAGE_NO_ENTRY)
        return;
    bool is_trusted = is_trusted_before(salvage, item->entry);
    item->is_proven = proves(salvage, item, crc_before(salvage, item->entry), line);
    if (!item->is_proven && is_trusted && is_crc_proven(salvage, item, &cause))
        item->why = "it does not match its checksum";
    if (item->is_proven || item->why)
        salvage->trusted = item->entry;
}

static struct salvage_item *add_item(struct salvage *salvage, struct error *error)
{
    if (salvage->count == salvage->capacity) {
        size_t capacity = salvage->capacity ? 2 * salvage->capacity : 64;
        struct salvage_item *items = realloc(salvage->items, capacity * sizeof *items);

        if (!items) {
            error_set(error, ERROR_NO_MEMORY, "out of memory for the plan");
            return NULL;
        }
        salvage->items = items;
        salvage->capacity = capacity;
    }
    struct salvage_item *item = &salvage->items[salvage->count++];
    *item = (struct salvage_item){.entry = SALVAGE_NO_ENTRY};
    return item;
}

static bool leave_out(struct salvage *salvage, uint64_t at, size_t length, const char *why,
                      struct error *error)
{
    struct salvage_item *item = add_item(salvage, error);

    if (!item)
        return false;
    item->at = at;
    item->length = length;
    item->end = at + length;
    item->why = why;
    match(salvage, item);
    if (item->entry != SALVAGE_NO_ENTRY)
        item->counter = salvage->entries[item->entry].counter;
    return true;
}

/* text: as it has to be; length: what it takes in the file. */
static bool take_record(struct salvage *salvage, uint64_t at, size_t length, struct str text,
                        struct error *error)
{
    struct salvage_item *item = add_item(salvage, error);

    if (!item)
        return false;
    item->at = at;
    item->length = length;
    item->end = at + text.length;
    item->counter = salvage->record.counter;
    judge(salvage, item, text);
    return true;
}

/* Begins another record here? "[", digits, ",{". */
static bool may_begin(struct str line, size_t at)
{
    size_t i = at + 1;

    if (line.data[at] != '[')
        return false;
    while (i < line.length && line.data[i] >= '0' && line.data[i] <= '9')
        i++;
    return i > at + 1 && i + 1 < line.length && line.data[i] == ',' && line.data[i + 1] == '{';
}

/* A line whose end is missing or wrong, completed in *text. */
static bool read_with_end(struct salvage *salvage, struct str line, struct buf *text,
                          struct error *error)
{
    static const struct {
        size_t cut;
        struct str end;
    } ways[] = {{1, STR_INIT("\n")}, {0, STR_INIT("\n")}, {0, STR_INIT(",\n")}};
    struct error cause;

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (line.length <= ways[i].cut)
            continue;
        buf_reset(text);
        buf_append(text, str_slice(line, 0, line.length - ways[i].cut));
        buf_append(text, ways[i].end);
        if (!buf_ok(text, error))
            return false;
        if (record_read(&salvage->record, buf_str(text), &cause))
            return true;
    }
    return error_set(error, ERROR_DAMAGED, "it is no record");
}

static bool take_line(struct salvage *salvage, uint64_t at, struct str line, struct error *error);

static bool take_beginning(struct salvage *salvage, uint64_t at, struct str line,
                           struct error *error)
{
    struct buf text = {0};
    struct error cause;
    bool ok = read_with_end(salvage, line, &text, &cause)
                  ? take_record(salvage, at, line.length, buf_str(&text), error)
                  : leave_out(salvage, at, line.length, "it is no record", error);

    buf_clear(&text);
    return ok;
}

/* A bad line: another record may begin in it, behind what has damaged the line break. */
static bool take_bad_line(struct salvage *salvage, uint64_t at, struct str line,
                          struct error *error)
{
    unsigned tries = 0;
    struct error cause;

    for (size_t i = 1; i < line.length && tries < SPLITS_MOST; i++) {
        if (!may_begin(line, i))
            continue;
        tries++;
        struct str rest = str_slice(line, i, line.length);
        if (record_read(&salvage->record, rest, &cause))
            return take_beginning(salvage, at, str_slice(line, 0, i), error) &&
                   take_line(salvage, at + i, rest, error);
    }
    return take_beginning(salvage, at, line, error);
}

static bool take_line(struct salvage *salvage, uint64_t at, struct str line, struct error *error)
{
    struct error cause;

    if (record_read(&salvage->record, line, &cause))
        return take_record(salvage, at, line.length, line, error);
    return cause.code == ERROR_NO_MEMORY ? (*error = cause, false)
                                         : take_bad_line(salvage, at, line, error);
}

/* All whole lines in `lines`; what is left stays there. */
static bool take_lines(struct salvage *salvage, uint64_t *at, struct error *error)
{
    struct str rest = buf_str(&salvage->lines);
    size_t done = 0;

    for (;;) {
        size_t length = str_find_byte(rest, '\n') + 1;

        if (length > rest.length)
            break;
        if (!take_line(salvage, *at, str_slice(rest, 0, length), error))
            return false;
        *at += length;
        done += length;
        rest = str_slice(rest, length, rest.length);
    }
    if (done > 0 && rest.length > 0)
        memmove(salvage->lines.data, salvage->lines.data + done, rest.length);
    salvage->lines.length -= done;
    return true;
}

static bool read_lines(struct salvage *salvage, struct error *error)
{
    uint64_t at = 0, read = 0;

    while (read < salvage->data_size) {
        uint64_t left = salvage->data_size - read;
        size_t piece = left < PIECE ? (size_t)left : PIECE;
        char *to = buf_reserve(&salvage->lines, piece);

        if (!to)
            return error_set(error, ERROR_NO_MEMORY, "out of memory for a line");
        if (!file_read_at(&salvage->data, to, piece, read, error))
            return false;
        buf_grow(&salvage->lines, piece);
        read += piece;
        if (!take_lines(salvage, &at, error))
            return false;
    }
    return salvage->lines.length == 0 ||
           take_beginning(salvage, at, buf_str(&salvage->lines), error);
}

/* --- The plan --------------------------------------------------------------------------------- */

/* Of two in the wrong order the one goes that nobody vouches for, if the other fits without it. */
static void put_in_order(struct salvage *salvage)
{
    struct salvage_item *last = NULL;
    uint64_t before_last = 0;

    for (size_t i = 0; i < salvage->count; i++) {
        struct salvage_item *item = &salvage->items[i];

        if (item->why)
            continue;
        if (last && item->counter <= last->counter) {
            if (last->is_proven || item->counter <= before_last) {
                item->why = "its counter is out of order";
                continue;
            }
            last->why = "its counter is out of order";
        } else if (last) {
            before_last = last->counter;
        }
        last = item;
    }
}

static void note_counter(struct salvage *salvage, uint64_t counter)
{
    if (counter > salvage->last_counter)
        salvage->last_counter = counter;
}

/* Counters that somebody may have seen, though their records are gone. */
static void note_entries(struct salvage *salvage)
{
    uint64_t last = 0;

    for (uint64_t i = 0; i < salvage->entry_count; i++) {
        const struct index_entry *entry = &salvage->entries[i];

        if (entry->counter > last && entry->counter - last <= PLAUSIBLE_STEP)
            last = entry->counter;
        bool is_commit = entry->flags & INDEX_COMMIT && i > 0 &&
                         entry->counter == salvage->entries[i - 1].counter;
        if (!salvage->is_matched[i] && !is_commit && has_record(salvage, i))
            salvage->missing++;
    }
    note_counter(salvage, last);
    note_counter(salvage, salvage->header.floor);
}

/* The index says where the data ends, and it is proven that this was its end. */
static bool is_end_proven(const struct salvage *salvage)
{
    struct index_entry commit;

    if (salvage->kept == 0 || salvage->missing > 0)
        return false;
    const struct salvage_item *item = &salvage->items[salvage->last_kept];
    if (!item->is_proven || salvage->last_kept + 1 != salvage->count ||
        (salvage->has_header && salvage->entry_count < salvage->header.synced_count))
        return false;
    if (item->entry + 1 == salvage->entry_count)
        return salvage->entries[item->entry].flags & INDEX_BATCH_END;
    return item->entry + 2 == salvage->entry_count && salvage_find_commit(salvage, item, &commit);
}

static void make_plan(struct salvage *salvage)
{
    put_in_order(salvage);
    for (size_t i = 0; i < salvage->count; i++) {
        const struct salvage_item *item = &salvage->items[i];

        if (item->why) {
            salvage->left_out++;
            continue;
        }
        salvage->kept++;
        salvage->unproven += !item->is_proven;
        salvage->last_kept = i;
        note_counter(salvage, item->counter);
    }
    note_entries(salvage);
    salvage->is_complete = salvage->left_out == 0 && is_end_proven(salvage);
}

bool salvage_read(struct salvage *salvage, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_data(name, salvage->path, salvage->generation);
    salvage->fits_secret = true;
    salvage->trusted = SALVAGE_NO_ENTRY;
    if (!read_index(salvage, error) ||
        !file_open(&salvage->data, salvage->disk, name, O_RDONLY, error) ||
        !file_size(&salvage->data, &salvage->data_size, error) || !read_lines(salvage, error))
        return false;
    make_plan(salvage);
    return true;
}

bool salvage_get(struct salvage *salvage, const struct salvage_item *item, struct buf *line,
                 struct record *record, struct error *error)
{
    struct error cause;

    buf_reset(&salvage->lines);
    char *to = buf_reserve(&salvage->lines, (size_t)item->length);
    if (!to)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a line");
    if (!file_read_at(&salvage->data, to, (size_t)item->length, item->at, error))
        return false;
    buf_grow(&salvage->lines, (size_t)item->length);
    struct str text = buf_str(&salvage->lines);
    buf_reset(line);
    buf_append(line, text);
    if (!buf_ok(line, error))
        return false;
    if (record_read(record, buf_str(line), &cause))
        return true;
    if (!read_with_end(salvage, text, line, error))
        return false;
    return record_read(record, buf_str(line), error);
}

bool salvage_find_commit(const struct salvage *salvage, const struct salvage_item *item,
                         struct index_entry *commit)
{
    return item->is_proven && item->entry + 1 < salvage->entry_count &&
           !salvage->is_matched[item->entry + 1] && read_commit(salvage, item->entry + 1, commit);
}

void salvage_clear(struct salvage *salvage)
{
    file_close(&salvage->data);
    buf_clear(&salvage->lines);
    buf_clear(&salvage->other);
    free(salvage->items);
    free(salvage->entries);
    free(salvage->is_matched);
    *salvage = (struct salvage){0};
}
