#include "auth/keys.h"

#include "auth/secret_file.h"
#include "base/percent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MADE_ID_BYTES = 4 };

/* What the derived keys are for; another purpose gets another name here. */
static const struct str token_purpose = STR_INIT("cutout token v1");
static const struct str mail_purpose = STR_INIT("cutout mail v1");
static const struct str link_purpose = STR_INIT("cutout blob link v1");
static const struct str tls_purpose = STR_INIT("cutout tls ticket v1");

static bool add_key(struct keys *keys, struct str id, const unsigned char master[CRYPTO_HASH_SIZE],
                    struct error *error)
{
    struct str secret = {(const char *)master, CRYPTO_HASH_SIZE};
    size_t i = keys->count++;

    memcpy(keys->items[i].id, id.data, id.length);
    keys->items[i].id[id.length] = '\0';
    return crypto_derive(secret, token_purpose, keys->items[i].token_key, error) &&
           crypto_derive(secret, mail_purpose, keys->items[i].mail_key, error) &&
           crypto_derive(secret, link_purpose, keys->items[i].link_key, error) &&
           crypto_derive(secret, tls_purpose, keys->items[i].tls_key, error);
}

static bool is_good_id(struct str id)
{
    for (size_t i = 0; i < id.length; i++) {
        char byte = id.data[i];

        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9'))
            return false;
    }
    return id.length > 0 && id.length < KEYS_ID_SIZE;
}

static bool read_master(struct str hex, unsigned char master[CRYPTO_HASH_SIZE])
{
    if (hex.length != 2 * CRYPTO_HASH_SIZE)
        return false;
    for (size_t i = 0; i < CRYPTO_HASH_SIZE; i++) {
        int high = percent_hex_value(hex.data[2 * i]), low = percent_hex_value(hex.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        master[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool has_id(const struct keys *keys, struct str id)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (str_equals(str_of(keys->items[i].id), id))
            return true;
    }
    return false;
}

static bool read_line(struct keys *keys, struct str line, struct error *error)
{
    unsigned char master[CRYPTO_HASH_SIZE];
    struct str id, hex;

    line = str_trim(str_slice(line, 0, str_find_byte(line, '#')));
    if (line.length == 0)
        return true;
    id = str_slice(line, 0, str_find_byte(line, ' '));
    hex = str_trim(str_slice(line, id.length, line.length));
    if (!is_good_id(id) || !read_master(hex, master))
        return error_set(error, ERROR_CONF,
                         "is not \"ID KEY\": 1 to 16 of a-z 0-9, and 64 "
                         "hexadecimal digits");
    if (has_id(keys, id))
        return error_set(error, ERROR_CONF, "key %.*s is there twice", STR_ARG(id));
    if (keys->count == KEYS_MOST)
        return error_set(error, ERROR_CONF, "there are more than %d keys", KEYS_MOST);
    bool ok = add_key(keys, id, master, error);
    crypto_wipe(master, sizeof master);
    return ok;
}

static bool read_lines(struct keys *keys, struct str text, const char *path, struct error *error)
{
    struct str rest = text, line;
    struct error cause;

    for (unsigned number = 1; str_split(&rest, '\n', &line); number++) {
        if (!read_line(keys, line, &cause))
            return error_set(error, cause.code, "%s:%u: %s", path, number, cause.message);
    }
    return keys->count > 0 || error_set(error, ERROR_CONF, "%s: holds no key", path);
}

static bool put_random_line(struct buf *line, struct error *error)
{
    unsigned char id[MADE_ID_BYTES], master[CRYPTO_HASH_SIZE];

    if (!crypto_random(id, sizeof id, error) || !crypto_random(master, sizeof master, error))
        return false;
    crypto_hex_encode((struct str){(const char *)id, sizeof id}, line);
    buf_append_byte(line, ' ');
    crypto_hex_encode((struct str){(const char *)master, sizeof master}, line);
    crypto_wipe(master, sizeof master);
    return buf_ok(line, error);
}

static bool write_new(const char *path, struct str text, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_SYNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd == -1)
        return error_set_errno(error, errno, "%s: cannot make it", path);
    bool ok = write(fd, text.data, text.length) == (ssize_t)text.length;
    if (close(fd) != 0 || !ok) {
        int cause = errno;

        (void)unlink(path);
        return error_set_errno(error, cause, "%s: cannot write it", path);
    }
    return true;
}

static bool link_new(const char *name, const char *path, struct error *error)
{
    bool ok = link(name, path) == 0 || errno == EEXIST ||
              error_set_errno(error, errno, "%s: cannot make it", path);

    (void)unlink(name);
    return ok;
}

/* Under another name first, so that of several servers that start at once none finds it empty; who
 * comes second takes what the first has made. */
static bool make_file(const char *path, struct error *error)
{
    char name[PATH_MAX];
    struct buf line = {0};
    uint64_t number;
    bool ok = put_random_line(&line, error) && crypto_random(&number, sizeof number, error);

    buf_append_byte(&line, '\n');
    if (ok && snprintf(name, sizeof name, "%s.%016" PRIx64, path, number) >= (int)sizeof name)
        ok = error_set(error, ERROR_CONF, "%.100s...: is too long a name", path);
    ok = ok && buf_ok(&line, error) && write_new(name, buf_str(&line), error) &&
         link_new(name, path, error);
    if (line.data)
        crypto_wipe(line.data, line.length);
    buf_clear(&line);
    return ok;
}

bool keys_read_file(struct keys *keys, const char *path, struct error *error)
{
    char text[SECRET_FILE_SIZE];
    size_t length;

    *keys = (struct keys){0};
    bool ok = secret_file_read(path, text, &length, error);
    if (!ok && error->errnum == ENOENT)
        ok = make_file(path, error) && secret_file_read(path, text, &length, error);
    if (!ok)
        return false;
    ok = read_lines(keys, (struct str){text, length}, path, error);
    crypto_wipe(text, sizeof text);
    if (!ok)
        keys_clear(keys);
    return ok;
}

bool keys_make(struct keys *keys, struct error *error)
{
    unsigned char master[CRYPTO_HASH_SIZE];

    *keys = (struct keys){0};
    if (!crypto_random(master, sizeof master, error))
        return false;
    bool ok = add_key(keys, STR("once"), master, error);
    crypto_wipe(master, sizeof master);
    return ok;
}

void keys_clear(struct keys *keys)
{
    crypto_wipe(keys, sizeof *keys);
    keys->count = 0;
}
