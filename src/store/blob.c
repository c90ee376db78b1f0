#include "store/blob.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/percent.h"
#include "store/collection.h"
#include "store/index.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* What ends the file, behind content and type. */
    AT_LENGTH = 8,
    AT_TYPE_LENGTH = 16,
    AT_VERSION = 20,
    AT_CONTENT_CRC = 24,
    AT_CRC = 28,
    END_SIZE = 32,
    VERSION = 1,
    PIECE = 64 * 1024,     /* read at once */
    TEMPORARIES_MOST = 16, /* tries to make one */
    KEY_DIGITS = 2 * sizeof(uint64_t),
    HASH_DIGITS = 2 * BLOB_HASH_SIZE,
};

static const char magic[] = "CutOutBl";

static struct str str_of_bytes(const void *bytes, size_t length)
{
    return (struct str){bytes, length};
}

/* --- Names ----------------------------------------------------------------------------------- */

bool blob_make_id(struct blob_id *id, const unsigned char secret[SIPHASH_KEY_SIZE],
                  uint64_t generation, uint64_t key, struct str content_type,
                  const unsigned char content[CRYPTO_HASH_SIZE], struct error *error)
{
    unsigned char text[sizeof key + CRYPTO_HASH_SIZE + BLOB_TYPE_MOST];
    unsigned char mac[CRYPTO_HASH_SIZE];
    size_t type_at = sizeof key + CRYPTO_HASH_SIZE;

    content_type = str_slice(content_type, 0, BLOB_TYPE_MOST);
    bytes_put_u64(text, key);
    memcpy(text + sizeof key, content, CRYPTO_HASH_SIZE);
    if (content_type.length > 0)
        memcpy(text + type_at, content_type.data, content_type.length);
    if (!crypto_hmac(str_of_bytes(secret, SIPHASH_KEY_SIZE),
                     str_of_bytes(text, type_at + content_type.length), mac, error))
        return false;
    *id = (struct blob_id){.generation = generation, .key = key};
    memcpy(id->hash, mac, sizeof id->hash);
    return true;
}

void blob_put_name(const struct blob_id *id, char out[BLOB_NAME_SIZE])
{
    int length =
        snprintf(out, BLOB_NAME_SIZE, "%" PRIu64 "-%016" PRIx64 "-", id->generation, id->key);

    for (size_t i = 0; i < sizeof id->hash; i++)
        length += snprintf(out + length, BLOB_NAME_SIZE - (size_t)length, "%02x", id->hash[i]);
}

/* So many digits, and nothing else, of the alphabet that we write. */
static bool parse_hex(struct str text, size_t digits, unsigned char *bytes)
{
    if (text.length != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int value = percent_hex_value(text.data[i]);

        if (value < 0 || (text.data[i] >= 'A' && text.data[i] <= 'F'))
            return false;
        bytes[i / 2] = (unsigned char)(bytes[i / 2] << 4 | value);
    }
    return true;
}

bool blob_parse_name(struct str name, struct blob_id *id)
{
    unsigned char key[sizeof id->key] = {0};
    struct str rest = name, generation, key_text;

    *id = (struct blob_id){0};
    if (!name.data || !str_split(&rest, '-', &generation) || !str_split(&rest, '-', &key_text) ||
        !str_parse_u64(generation, INDEX_COUNTER_MOST, &id->generation) ||
        !parse_hex(key_text, KEY_DIGITS, key) || !parse_hex(rest, HASH_DIGITS, id->hash))
        return false;
    for (size_t i = 0; i < sizeof key; i++)
        id->key = id->key << 8 | key[i];
    return true;
}

/* --- Types ----------------------------------------------------------------------------------- */

static bool is_token_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool take_token(struct str *text)
{
    size_t length = 0;

    while (length < text->length && is_token_byte(text->data[length]))
        length++;
    *text = str_slice(*text, length, text->length);
    return length > 0;
}

static bool take_byte(struct str *text, char byte)
{
    if (text->length == 0 || text->data[0] != byte)
        return false;
    *text = str_slice(*text, 1, text->length);
    return true;
}

/* Printable, without what would have to be escaped. */
static bool take_quoted(struct str *text)
{
    if (!take_byte(text, '"'))
        return false;
    while (text->length > 0 && text->data[0] != '"') {
        if (text->data[0] < ' ' || text->data[0] > '~' || text->data[0] == '\\')
            return false;
        *text = str_slice(*text, 1, text->length);
    }
    return take_byte(text, '"');
}

static void take_blanks(struct str *text)
{
    while (take_byte(text, ' '))
        continue;
}

bool blob_check_type(struct str content_type)
{
    struct str rest = content_type;

    if (content_type.length > BLOB_TYPE_MOST || !take_token(&rest) || !take_byte(&rest, '/') ||
        !take_token(&rest))
        return false;
    while (rest.length > 0) {
        take_blanks(&rest);
        if (!take_byte(&rest, ';'))
            return false;
        take_blanks(&rest);
        if (!take_token(&rest) || !take_byte(&rest, '=') ||
            !(take_token(&rest) || take_quoted(&rest)))
            return false;
    }
    return true;
}

/* --- Writing --------------------------------------------------------------------------------- */

/* Random: several servers may write here at the same time. */
static bool choose_temporary(struct blob_writing *writing, const char *path, struct error *error)
{
    char name[BLOB_NAME_SIZE];
    uint64_t number;

    if (!crypto_random(&number, sizeof number, error))
        return false;
    (void)snprintf(name, sizeof name, "new-%016" PRIx64, number);
    paths_put_blob(writing->temporary, path, name);
    return true;
}

bool blob_is_temporary(struct str name)
{
    unsigned char number[sizeof(uint64_t)] = {0};

    return str_starts_with(name, STR("new-")) &&
           parse_hex(str_slice(name, strlen("new-"), name.length), KEY_DIGITS, number);
}

/* Who writes one has it locked as long as he lives. One that was made this moment and is not locked
 * yet may be taken for a leftover; see make_temporary. */
static bool remove_leftover(struct disk *disk, const char *path, const char *name,
                            struct error *error)
{
    char full[PATHS_SIZE];
    struct file file = {0};

    paths_put_blob(full, path, name);
    if (!file_open(&file, disk, full, O_RDWR, error))
        return error->code == ERROR_NOT_FOUND;
    bool is_ours = file_lock(&file, error);
    bool ok = is_ours ? disk_unlink(disk, full, error) : error->code == ERROR_BUSY;
    file_close(&file);
    return ok;
}

static bool remove_leftovers(struct disk *disk, const char *path, struct error *error)
{
    char directory[PATHS_SIZE];
    struct buf list = {0};
    struct str name;

    paths_put_blobs(directory, path);
    bool ok = disk_list(disk, directory, &list, error);
    struct str rest = buf_str(&list);
    while (ok && rest.data && str_split(&rest, '\0', &name)) {
        if (blob_is_temporary(name))
            ok = remove_leftover(disk, path, name.data, error);
    }
    buf_clear(&list);
    return ok;
}

static bool make_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_blobs(name, path);
    return collection_make_directories(disk, path, error) && disk_make_directory(disk, name, error);
}

/* Nobody removes what is locked. */
static bool lock_temporary(struct blob_writing *writing, bool *is_ours, struct error *error)
{
    struct file again = {0};

    *is_ours = false;
    if (!file_lock(&writing->file, error))
        return error->code == ERROR_BUSY;
    if (!file_open(&again, writing->disk, writing->temporary, O_RDONLY, error))
        return error->code == ERROR_NOT_FOUND;
    file_close(&again);
    *is_ours = true;
    return true;
}

/* Another writer, here or in another process, may take it for a leftover before it is locked: then
 * it is gone, or is going, and the next one is made. */
static bool make_temporary(struct blob_writing *writing, const char *path, struct error *error)
{
    bool is_ours = false;

    for (unsigned i = 0; i < TEMPORARIES_MOST; i++) {
        if (!choose_temporary(writing, path, error))
            return false;
        if (!file_open(&writing->file, writing->disk, writing->temporary, O_RDWR | O_CREAT | O_EXCL,
                       error)) {
            writing->temporary[0] = '\0';
            return false;
        }
        if (!lock_temporary(writing, &is_ours, error) || is_ours)
            return is_ours;
        file_close(&writing->file);
        writing->temporary[0] = '\0';
    }
    return error_set(error, ERROR_BUSY, "%s: other servers remove new files for blobs; try again",
                     path);
}

bool blob_begin(struct blob_writing *writing, struct disk *disk, const char *path,
                struct error *error)
{
    *writing = (struct blob_writing){.disk = disk};
    return make_directories(disk, path, error) && remove_leftovers(disk, path, error) &&
           make_temporary(writing, path, error) && crypto_digest_begin(&writing->digest, error);
}

bool blob_extend(struct blob_writing *writing, struct str piece, struct error *error)
{
    if (!file_write_at(&writing->file, piece, writing->length, error))
        return false;
    writing->length += piece.length;
    writing->crc = crc32c_extend(writing->crc, piece);
    return crypto_digest_extend(&writing->digest, piece, error);
}

static uint32_t sum_end(struct str content_type, const unsigned char end[END_SIZE])
{
    return crc32c_extend(crc32c_extend(0, content_type), str_of_bytes(end, AT_CRC));
}

bool blob_seal(struct blob_writing *writing, struct str content_type,
               unsigned char content[CRYPTO_HASH_SIZE], struct error *error)
{
    unsigned char end[END_SIZE];

    memcpy(end, magic, AT_LENGTH);
    bytes_put_u64(end + AT_LENGTH, writing->length);
    bytes_put_u32(end + AT_TYPE_LENGTH, (uint32_t)content_type.length);
    bytes_put_u32(end + AT_VERSION, VERSION);
    bytes_put_u32(end + AT_CONTENT_CRC, writing->crc);
    bytes_put_u32(end + AT_CRC, sum_end(content_type, end));
    return crypto_digest_end(&writing->digest, content, error) &&
           file_write_at(&writing->file, content_type, writing->length, error) &&
           file_write_at(&writing->file, str_of_bytes(end, sizeof end),
                         writing->length + content_type.length, error) &&
           file_sync(&writing->file, error);
}

/* All of them, each time: that one was there does not say that it is on disk. */
static bool sync_directories(struct disk *disk, const char *path, struct error *error)
{
    char name[PATHS_SIZE];

    paths_put_blobs(name, path);
    if (!disk_sync_directory(disk, name, error))
        return false;
    for (unsigned level = 0; level <= 3; level++) {
        paths_put_directory(name, path, level);
        if (!disk_sync_directory(disk, name, error))
            return false;
    }
    return true;
}

static void forget_writing(struct blob_writing *writing)
{
    crypto_digest_clear(&writing->digest);
    file_close(&writing->file);
    *writing = (struct blob_writing){0};
}

bool blob_place(struct blob_writing *writing, const char *path, const char *name,
                struct error *error)
{
    struct disk *disk = writing->disk;
    char full[PATHS_SIZE];

    paths_put_blob(full, path, name);
    if (!disk_rename(disk, writing->temporary, full, error)) {
        if (error->code == ERROR_NOT_FOUND)
            error->code = ERROR_BUSY; /* see remove_leftover */
        return false;
    }
    forget_writing(writing);
    return sync_directories(disk, path, error);
}

void blob_drop(struct blob_writing *writing)
{
    struct error ignored;

    if (writing->temporary[0])
        (void)!disk_unlink(writing->disk, writing->temporary, &ignored);
    forget_writing(writing);
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool refuse_end(const struct blob *blob, const char *what, struct error *error)
{
    return error_set(error, ERROR_DAMAGED, "%s: %s", blob->file.name, what);
}

static bool read_type(struct blob *blob, uint64_t size, const unsigned char end[END_SIZE],
                      struct error *error)
{
    size_t length = bytes_get_u32(end + AT_TYPE_LENGTH);

    if (length > BLOB_TYPE_MOST || blob->length > size || size - blob->length != length + END_SIZE)
        return refuse_end(blob, "its size is not what its end says", error);
    if (!file_read_at(&blob->file, blob->content_type, length, blob->length, error))
        return false;
    blob->content_type[length] = '\0';
    struct str content_type = {blob->content_type, length};
    if (bytes_get_u32(end + AT_CRC) != sum_end(content_type, end))
        return refuse_end(blob, "what stands behind the content does not match its checksum",
                          error);
    return blob_check_type(content_type) || refuse_end(blob, "its type is none", error);
}

static bool read_end(struct blob *blob, struct error *error)
{
    unsigned char end[END_SIZE];
    uint64_t size;

    if (!file_size(&blob->file, &size, error))
        return false;
    if (size < END_SIZE)
        return refuse_end(blob, "it is too short", error);
    if (!file_read_at(&blob->file, end, sizeof end, size - END_SIZE, error))
        return false;
    if (memcmp(end, magic, AT_LENGTH) != 0)
        return refuse_end(blob, "it does not end as a blob does", error);
    if (bytes_get_u32(end + AT_VERSION) != VERSION)
        return refuse_end(blob, "it is of another version", error);
    blob->length = bytes_get_u64(end + AT_LENGTH);
    blob->crc = bytes_get_u32(end + AT_CONTENT_CRC);
    return read_type(blob, size, end, error);
}

bool blob_open(struct blob *blob, struct disk *disk, const char *path, struct str name,
               struct error *error)
{
    char full[PATHS_SIZE], text[BLOB_NAME_SIZE];
    struct blob_id id;

    *blob = (struct blob){.file.fd = -1};
    if (!blob_parse_name(name, &id))
        return error_set(error, ERROR_NOT_FOUND, "\"%.*s\" is no name of a blob",
                         STR_ARG(str_slice(name, 0, BLOB_NAME_SIZE)));
    blob_put_name(&id, text);
    paths_put_blob(full, path, text);
    if (!file_open(&blob->file, disk, full, O_RDONLY, error))
        return false;
    if (read_end(blob, error))
        return true;
    blob_close(blob);
    return false;
}

bool blob_read(struct blob *blob, struct buf *content, struct error *error)
{
    buf_reset(content);
    char *to = blob->length < SIZE_MAX ? buf_reserve(content, (size_t)blob->length) : NULL;
    if (!to)
        return error_set(error, ERROR_NO_MEMORY, "%s: out of memory for it", blob->file.name);
    if (!file_read_at(&blob->file, to, (size_t)blob->length, 0, error))
        return false;
    buf_grow(content, (size_t)blob->length);
    return crc32c_extend(0, buf_str(content)) == blob->crc ||
           refuse_end(blob, "the content does not match its checksum", error);
}

static bool check_content(struct blob *blob, struct crypto_digest *digest, struct error *error)
{
    uint32_t crc = 0;
    char piece[PIECE];

    for (uint64_t at = 0; at < blob->length;) {
        uint64_t left = blob->length - at;
        size_t length = left < sizeof piece ? (size_t)left : sizeof piece;
        struct str text = {piece, length};

        if (!file_read_at(&blob->file, piece, length, at, error) ||
            !crypto_digest_extend(digest, text, error))
            return false;
        crc = crc32c_extend(crc, text);
        at += length;
    }
    return crc == blob->crc || refuse_end(blob, "the content does not match its checksum", error);
}

static bool check_name(const struct blob *blob, struct str name,
                       const unsigned char secret[SIPHASH_KEY_SIZE],
                       const unsigned char content[CRYPTO_HASH_SIZE], struct error *error)
{
    struct blob_id said, right;

    if (!blob_parse_name(name, &said))
        return refuse_end(blob, "no name of a blob", error);
    return blob_make_id(&right, secret, said.generation, said.key, str_of(blob->content_type),
                        content, error) &&
           (memcmp(said.hash, right.hash, sizeof said.hash) == 0 ||
            refuse_end(blob, "its name is that of another content", error));
}

bool blob_verify(struct blob *blob, struct str name, const unsigned char secret[SIPHASH_KEY_SIZE],
                 struct error *error)
{
    struct crypto_digest digest = {0};
    unsigned char content[CRYPTO_HASH_SIZE];
    bool ok = crypto_digest_begin(&digest, error) && check_content(blob, &digest, error) &&
              crypto_digest_end(&digest, content, error) &&
              (!secret || check_name(blob, name, secret, content, error));

    crypto_digest_clear(&digest);
    return ok;
}

void blob_close(struct blob *blob)
{
    file_close(&blob->file);
}

/* --- Removing -------------------------------------------------------------------------------- */

struct doomed {
    const uint64_t *keys;
    size_t count;
    uint64_t last_generation; /* 0: any */
};

static bool is_doomed(const struct doomed *doomed, const struct blob_id *id)
{
    if (doomed->last_generation > 0)
        return id->generation <= doomed->last_generation;
    for (size_t i = 0; i < doomed->count; i++) {
        if (doomed->keys[i] == id->key && id->key != 0)
            return true;
    }
    return false;
}

/* One that cannot be removed keeps none of the others. */
static bool remove_doomed(struct disk *disk, const char *path, const struct doomed *doomed,
                          struct error *error)
{
    char directory[PATHS_SIZE], full[PATHS_SIZE], text[BLOB_NAME_SIZE];
    struct buf list = {0};
    struct error failure;
    struct blob_id id;
    struct str name;

    paths_put_blobs(directory, path);
    bool ok = disk_list(disk, directory, &list, error);
    struct str rest = buf_str(&list);

    while (rest.data && str_split(&rest, '\0', &name)) {
        if (!blob_parse_name(name, &id) || !is_doomed(doomed, &id))
            continue;
        blob_put_name(&id, text);
        paths_put_blob(full, path, text);
        if (!disk_unlink(disk, full, &failure) && ok) {
            *error = failure;
            ok = false;
        }
    }
    buf_clear(&list);
    return ok;
}

bool blob_remove_objects(struct disk *disk, const char *path, const uint64_t *keys, size_t count,
                         struct error *error)
{
    const struct doomed doomed = {.keys = keys, .count = count};

    return remove_doomed(disk, path, &doomed, error);
}

bool blob_remove_generations(struct disk *disk, const char *path, uint64_t last,
                             struct error *error)
{
    const struct doomed doomed = {.last_generation = last};

    return last == 0 || remove_doomed(disk, path, &doomed, error);
}
