#include "store/journals.h"

#include "store/journal.h"

#include <fcntl.h>
#include <stdlib.h>

bool journals_open(struct journals *journals, struct disk *disk, struct error *error)
{
    char directory[DISK_JOURNAL_SIZE];
    uint64_t numbers;

    *journals = (struct journals){.disk = disk};
    if (!place_list(disk, &numbers, error))
        return false;
    journals->sources = calloc(PLACES_MOST + 1, sizeof *journals->sources);
    if (!journals->sources)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for the journal");
    numbers |= 1; /* ".journal" itself */
    for (unsigned number = 0; number <= PLACES_MOST; number++) {
        if (!(numbers >> number & 1))
            continue;
        struct journals_source *source = &journals->sources[journals->count++];
        place_put_directory(directory, number);
        if (!segment_list(&source->segments, disk, directory, error)) {
            journals_close(journals);
            return false;
        }
    }
    journals_rewind(journals);
    return true;
}

static void close_segment(struct journals_source *source)
{
    segment_close(&source->segment);
    source->has_frame = false;
}

void journals_close(struct journals *journals)
{
    for (size_t i = 0; i < journals->count; i++) {
        close_segment(&journals->sources[i]);
        segment_list_clear(&journals->sources[i].segments);
    }
    free(journals->sources);
    *journals = (struct journals){0};
}

void journals_rewind(struct journals *journals)
{
    for (size_t i = 0; i < journals->count; i++) {
        close_segment(&journals->sources[i]);
        journals->sources[i].next = 0;
    }
    journals->current = NULL;
}

/* To the source's next frame, through as many segments as it takes. */
static bool advance(struct journals *journals, struct journals_source *source, struct error *error)
{
    bool is_open = source->has_frame;

    source->has_frame = false;
    for (;;) {
        if (is_open) {
            source->at = source->segment.at;
            enum segment_found found = segment_next(&source->segment, &source->frame, error);
            if (found == SEGMENT_FAILED)
                return false;
            source->has_frame = found == SEGMENT_FRAME;
            if (source->has_frame)
                return true;
            if (segment_may_have_lost(&source->segment))
                journals->may_have_lost = true;
            segment_close(&source->segment);
        }
        if (source->next == source->segments.count)
            return true;
        if (!segment_open(&source->segment, journals->disk, &source->segments, source->next++,
                          error))
            return false;
        is_open = true;
    }
}

/* All at their first frames, to begin. */
static bool begin(struct journals *journals, struct error *error)
{
    for (size_t i = 0; i < journals->count; i++) {
        if (!advance(journals, &journals->sources[i], error))
            return false;
    }
    return true;
}

bool journals_next(struct journals *journals, struct error *error)
{
    bool is_new = !journals->current;

    if (is_new ? !begin(journals, error) : !advance(journals, journals->current, error))
        return false;
    journals->current = NULL;
    for (size_t i = 0; i < journals->count; i++) {
        struct journals_source *source = &journals->sources[i];

        if (source->has_frame &&
            (!journals->current || source->frame.stamp < journals->current->frame.stamp))
            journals->current = source;
    }
    return true;
}

size_t journals_segment_count(const struct journals *journals)
{
    size_t count = 0;

    for (size_t i = 0; i < journals->count; i++)
        count += journals->sources[i].segments.count;
    return count;
}

static bool sync_segments(struct disk *disk, const struct segment_list *segments,
                          struct error *error)
{
    char name[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < segments->count; i++) {
        struct file file = {0};

        segment_put_name(name, segments->directory, segments->sequences[i]);
        bool ok = file_open(&file, disk, name, O_RDWR, error) && file_sync(&file, error);
        file_close(&file);
        if (!ok)
            return false;
    }
    return segments->count == 0 || disk_sync_directory(disk, segments->directory, error);
}

bool journals_sync(struct journals *journals, struct error *error)
{
    for (size_t i = 0; i < journals->count; i++) {
        if (!sync_segments(journals->disk, &journals->sources[i].segments, error))
            return false;
    }
    return true;
}

/* Oldest first, as they are removed (journal_remove_before). */
static bool keep_segments(struct disk *disk, const struct segment_list *segments,
                          struct error *error)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < segments->count; i++) {
        segment_put_name(from, segments->directory, segments->sequences[i]);
        segment_put_refused_name(to, segments->directory, segments->sequences[i]);
        if (!disk_rename(disk, from, to, error) ||
            !disk_sync_directory(disk, segments->directory, error))
            return false;
    }
    return true;
}

bool journals_end(struct journals *journals, bool keeps, struct error *error)
{
    for (size_t i = 0; i < journals->count; i++) {
        const struct segment_list *segments = &journals->sources[i].segments;

        if (segments->count == 0)
            continue;
        if (keeps ? !keep_segments(journals->disk, segments, error)
                  : !journal_remove_before(journals->disk, segments->directory, segments->last + 1,
                                           error))
            return false;
    }
    return true;
}
