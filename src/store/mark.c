#include "store/mark.h"

bool mark_read(struct file *index, struct index_header *header, struct error *error)
{
    unsigned char bytes[INDEX_HEADER_SIZE];
    struct error cause;

    if (!file_read_at(index, bytes, sizeof bytes, 0, error))
        return false;
    return index_read_header(bytes, header, &cause) ||
           error_set(error, cause.code, "%s: %s", index->name, cause.message);
}

bool mark_write(struct file *index, const struct index_header *header, struct error *error)
{
    unsigned char old[INDEX_MARK_SIZE], mark[INDEX_MARK_SIZE];
    uint64_t at = INDEX_MARKS_AT + header->mark * INDEX_MARK_SIZE;
    struct error cause;

    if (!file_read_at(index, old, sizeof old, at, error))
        return false;
    index_write_mark(mark, header);
    if (file_write_at(index, (struct str){(const char *)mark, sizeof mark}, at, error))
        return file_sync(index, error);
    /* Half a mark looks like damage. */
    if (!file_write_at(index, (struct str){(const char *)old, sizeof old}, at, &cause))
        *error = cause;
    return false;
}
