/* salvage.h - which records of a damaged database are sound, and what is known of each.
 *
 *     set what is given -> salvage_read -> plan -> salvage_clear
 *
 * The data file is read line by line, and each line is judged: does it parse strictly, and what
 * does the index say of it? The checksum of an entry covers the entry before, itself and its
 * record, so one that does not match can mean damage in any of the three. What settles it:
 *  - With an entry made anew from the record it matches: the entry was damaged, the record is
 *    proven.
 *  - All but one byte of the checksum is right: the checksum itself was damaged, proven.
 *  - The entry behind matches on the checksum as it stands: that is right, so the record is not,
 *    and it is left out.
 *  - Else nobody can vouch for it. It parses, so it is kept.
 * A line that does not parse may hold two records, with a damaged line break between them. */
#ifndef STORE_SALVAGE_H
#define STORE_SALVAGE_H

#include "store/disk.h"
#include "store/record.h"

#define SALVAGE_NO_ENTRY UINT64_MAX

/* A piece of the data file. */
struct salvage_item {
    uint64_t at, length; /* as it is in the file */
    uint64_t end;        /* as it has to be: differs where the end of the file is cut */
    uint64_t counter;    /* 0: not known */
    uint64_t entry;      /* of the index, or SALVAGE_NO_ENTRY */
    const char *why;     /* it is left out, static; NULL: it is kept */
    bool is_proven;
};

struct salvage {
    /* Given. */
    struct disk *disk;
    const char *path;
    struct identity identity; /* id and secret as far as known */
    bool knows_id;
    uint64_t generation; /* of the data file */

    /* The plan. */
    struct salvage_item *items;
    size_t count, capacity;
    uint64_t kept, left_out, unproven; /* items; unproven are kept */
    uint64_t missing;                  /* entries whose records the data file does not have */
    uint64_t last_counter;             /* the highest that anybody can have seen */
    size_t last_kept;                  /* item */
    bool is_complete;   /* nothing is left out or missing, and the index proves where it ends */
    bool fits_secret;   /* no proven entry contradicts the secret, */
    bool proves_secret; /* and one speaks for it */

    struct index_entry *entries; /* of the index as it was; NULL without */
    uint64_t entry_count;
    struct index_header header; /* if */
    bool has_header;

    /* While reading. */
    struct file data;
    uint64_t data_size, next_entry;
    bool *is_matched; /* of each entry: it is some item's */
    uint64_t trusted; /* the entry whose checksum was last found to be right */
    struct buf lines, other;
    struct record record;
};

MUST_CHECK bool salvage_read(struct salvage *salvage, struct error *error);

/* Reads a kept item again; line (replaced) holds it as it has to be, and record points into it. */
MUST_CHECK bool salvage_get(struct salvage *salvage, const struct salvage_item *item,
                            struct buf *line, struct record *record, struct error *error);

/* The commit entry that ends the append of this item, if the index has a good one. */
bool salvage_find_commit(const struct salvage *salvage, const struct salvage_item *item,
                         struct index_entry *commit);
void salvage_clear(struct salvage *salvage); /* harmless twice, and on all-zero */

#endif
