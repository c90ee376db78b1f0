/* blob.h - bytes that belong to an object and are kept beside its collection: pictures, sound,
 * files. A blob is a file that is made once and never changed (docs/file-format.md, "Blobs").
 *
 *     blob_begin -> blob_extend ... -> blob_seal -> blob_place      (or blob_drop, at any time)
 *     blob_open -> blob_read or blob_verify, or reading the file    -> blob_close
 *
 * Its name says which object it belongs to, and is a keyed hash of that, of its content and of its
 * type: the same content for the same object is the same file, and who knows some content cannot
 * tell from a name whether it is that.
 *
 * Invariants:
 *  1. What has a blob's name is whole and on disk, and so are the directories that lead to it.
 *  2. What blob_read gives is byte for byte what was written, or an error.
 *  3. What a crash leaves behind is removed by the next blob of this collection. */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "base/crypto.h"
#include "base/siphash.h"
#include "store/disk.h"
#include "store/paths.h"

enum {
    BLOB_NAME_SIZE = 80,
    BLOB_TYPE_MOST = 127, /* bytes of a content type */
    BLOB_HASH_SIZE = 16,
};

/* A name, taken apart: "GENERATION-KEY-HASH", the first in decimal, the others in hexadecimal
 * digits. */
struct blob_id {
    uint64_t generation; /* in which it was made */
    uint64_t key;        /* of the object it belongs to, as in the index; 0: of one without id */
    unsigned char hash[BLOB_HASH_SIZE];
};

/* content: SHA-256 of it. */
MUST_CHECK bool blob_make_id(struct blob_id *id, const unsigned char secret[SIPHASH_KEY_SIZE],
                             uint64_t generation, uint64_t key, struct str content_type,
                             const unsigned char content[CRYPTO_HASH_SIZE], struct error *error);
void blob_put_name(const struct blob_id *id, char out[BLOB_NAME_SIZE]);

/* False for whatever blob_put_name would not write. */
MUST_CHECK bool blob_parse_name(struct str name, struct blob_id *id);

/* type/subtype, with parameters or without, as RFC 9110 has it, at most BLOB_TYPE_MOST bytes: what
 * may be sent back in a header. */
bool blob_check_type(struct str content_type);

/* --- Writing: helper threads only ------------------------------------------------------------ */

/* A blob being written. All-zero is none; so it is after blob_place and blob_drop. */
struct blob_writing {
    struct disk *disk;
    struct file file;
    char temporary[PATHS_SIZE]; /* its file, locked; "": none */
    uint64_t length;
    uint32_t crc;
    struct crypto_digest digest;
};

/* Makes the directories that are not there, removes what crashes have left at path. After a failure
 * of this or any of the following, blob_drop. */
MUST_CHECK bool blob_begin(struct blob_writing *writing, struct disk *disk, const char *path,
                           struct error *error);
MUST_CHECK bool blob_extend(struct blob_writing *writing, struct str piece, struct error *error);

/* The content is all there: it is on disk when this returns. */
MUST_CHECK bool blob_seal(struct blob_writing *writing, struct str content_type,
                          unsigned char content[CRYPTO_HASH_SIZE], struct error *error);

/* Gives it its name, for good. One that is there already is replaced by the same. */
MUST_CHECK bool blob_place(struct blob_writing *writing, const char *path, const char *name,
                           struct error *error);

/* What cannot be removed is left to the next blob. Harmless on all-zero and twice. */
void blob_drop(struct blob_writing *writing);

/* --- Reading --------------------------------------------------------------------------------- */

struct blob {
    struct file file;
    uint64_t length; /* of the content, which is the beginning of the file */
    uint32_t crc;
    char content_type[BLOB_TYPE_MOST + 1];
};

/* Reads what stands behind the content and checks it, and the size. ERROR_NOT_FOUND if there is no
 * such blob, also if name is none. Opens existing files only: the loop may call it. */
MUST_CHECK bool blob_open(struct blob *blob, struct disk *disk, const char *path, struct str name,
                          struct error *error);

/* All of it, checked, into content (replaced). For small ones. */
MUST_CHECK bool blob_read(struct blob *blob, struct buf *content, struct error *error);

/* Reads all of it, a piece at a time. Checks the name, too, if secret is not NULL. */
MUST_CHECK bool blob_verify(struct blob *blob, struct str name,
                            const unsigned char secret[SIPHASH_KEY_SIZE], struct error *error);
void blob_close(struct blob *blob); /* harmless twice, not on all-zero */

/* --- Removing: helper threads only ----------------------------------------------------------- */

/* All blobs of these objects; a key that is 0 is nobody's. Who reads one goes on reading. Not
 * synced: after a power cut one may be there again, of no use to anybody. */
MUST_CHECK bool blob_remove_objects(struct disk *disk, const char *path, const uint64_t *keys,
                                    size_t count, struct error *error);

/* All that were made up to this generation. */
MUST_CHECK bool blob_remove_generations(struct disk *disk, const char *path, uint64_t last,
                                        struct error *error);

/* The name of a file that a blob is written to before it has its own? */
bool blob_is_temporary(struct str name);

#endif
