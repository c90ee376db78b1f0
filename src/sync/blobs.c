#include "sync/blobs.h"

bool blobs_open(const struct stream *stream, struct str name, struct blob *blob,
                struct error *error)
{
    const struct collection *collection = &stream->collection;
    struct blob_id id;

    *blob = (struct blob){.file.fd = -1};
    /* What is left of an earlier collection at this address is of nobody's. */
    if (collection->state != COLLECTION_LIVE || !blob_parse_name(name, &id) ||
        id.generation > collection->head.generation)
        return error_set(error, ERROR_NOT_FOUND, "the collection has no such blob");
    if (blob_open(blob, stream->streams->disk, stream->path, name, error))
        return true;
    if (error->code == ERROR_NOT_FOUND)
        error_set(error, ERROR_NOT_FOUND, "the collection has no such blob");
    return false;
}

bool blobs_read_part(struct blob *blob, uint64_t start, size_t length, struct buf *content,
                     struct error *error)
{
    char *to = buf_reserve(content, length);

    if (!to)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for a part of a blob");
    if (!file_read_at(&blob->file, to, length, start, error))
        return false;
    buf_grow(content, length);
    return true;
}

int blobs_take_descriptor(struct blob *blob)
{
    int fd = blob->file.fd;

    blob->file.fd = -1;
    return fd;
}
