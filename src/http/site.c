#include "http/site.h"

#include "base/crypto.h"
#include "base/json_write.h"
#include "base/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LEVELS_MOST = 16,      /* of directories below the root */
    CLIENT_MOST = 4 << 20, /* bytes of syncclient.js */
    PIECE = 65536,         /* bytes of one read */
    ETAG_DIGITS = 32,      /* of the 64 that the hash of the content has */
};

/* What the client script says of itself, and what the server replaces. */
static const char base_mark[] = "Sync.baseUrl = null";

/* Scripts and connections only from here: an app that lets somebody's text through as HTML is not
 * lost at once. Styles are less dangerous, and many libraries write them into the page. */
static const char csp_text[] =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'; connect-src 'self'";

static const struct {
    const char *extension, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".htm", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".wasm", "application/wasm"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/markdown; charset=utf-8"},
    {".xml", "application/xml"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".avif", "image/avif"},
    {".ico", "image/vnd.microsoft.icon"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".ttf", "font/ttf"},
    {".pdf", "application/pdf"},
    {".mp3", "audio/mpeg"},
    {".ogg", "audio/ogg"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
};

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
        if (str_equals_nocase(str_of(dot), str_of(types[i].extension)))
            return types[i].type;
    }
    return "application/octet-stream";
}

struct site_content *site_hold(struct site_content *content)
{
    content->holders++;
    return content;
}

void site_release(struct site_content *content)
{
    if (!content || --content->holders > 0)
        return;
    buf_clear(&content->bytes);
    free(content);
}

/* Takes bytes over. */
static struct site_content *new_content(struct buf *bytes, struct error *error)
{
    struct site_content *content = calloc(1, sizeof *content);
    unsigned char hash[CRYPTO_HASH_SIZE];
    struct buf digits = {0};

    if (!content) {
        error_set(error, ERROR_NO_MEMORY, "out of memory for a file");
        return NULL;
    }
    content->holders = 1;
    content->bytes = *bytes;
    *bytes = (struct buf){0};
    if (crypto_sha256(buf_str(&content->bytes), hash, error)) {
        crypto_hex_encode((struct str){(const char *)hash, sizeof hash}, &digits);
        if (buf_ok(&digits, error)) {
            (void)snprintf(content->etag, sizeof content->etag, "\"%.*s\"", ETAG_DIGITS,
                           digits.data);
            buf_clear(&digits);
            return content;
        }
    }
    site_release(content);
    return NULL;
}

/* All of it, but not more than most bytes. */
static bool read_all(int fd, const char *path, size_t most, struct buf *out, struct error *error)
{
    for (;;) {
        char *to = buf_reserve(out, PIECE);
        ssize_t count = to ? read(fd, to, PIECE) : 0;

        if (!to)
            return buf_ok(out, error);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set_errno(error, errno, "cannot read %s", path);
        buf_grow(out, (size_t)count);
        if (out->length > most)
            return error_set(error, ERROR_CONF, "%s: more than %zu bytes", path, most);
        if (count == 0)
            return true;
    }
}

/* The files below document_root, on their way into the table. */
struct walk {
    struct site *site;
    const char *root;
};

static void free_file(struct site_file *file)
{
    site_release(file->content);
    free(file->path);
    free(file);
}

static bool add_content(struct site *site, const char *path, struct buf *bytes, struct error *error)
{
    struct site_file *file = calloc(1, sizeof *file);

    if (!file)
        return error_set(error, ERROR_NO_MEMORY, "out of memory for %s", path);
    site->bytes += bytes->length;
    file->path = buf_copy_text(str_of(path));
    file->content_type = type_of(path);
    file->content = new_content(bytes, error);
    if (!file->path || !file->content) {
        free_file(file);
        return error_set(error, ERROR_NO_MEMORY, "out of memory for %s", path);
    }
    file->node.key = str_of(file->path);
    table_insert(&site->files, &file->node);
    file->next = site->first;
    site->first = file;
    return true;
}

static bool read_file(struct site *site, int fd, const char *name, struct buf *bytes,
                      struct error *error)
{
    if (site->files.count == SITE_FILES_MOST)
        return error_set(error, ERROR_CONF, "%s: more than %d files", name, SITE_FILES_MOST);
    if (!read_all(fd, name, SITE_BYTES_MOST, bytes, error))
        return false;
    return site->bytes + bytes->length <= SITE_BYTES_MOST ||
           error_set(error, ERROR_CONF, "%s: more than %d bytes in all", name, SITE_BYTES_MOST);
}

/* Closes fd. */
static bool add_file(const struct walk *walk, int fd, const char *path, struct error *error)
{
    struct buf bytes = {0}, name = {0};

    buf_append_format(&name, "%s%s", walk->root, path);
    bool ok = buf_ok(&name, error) && read_file(walk->site, fd, name.data, &bytes, error) &&
              add_content(walk->site, path, &bytes, error);
    (void)close(fd);
    buf_clear(&bytes);
    buf_clear(&name);
    return ok;
}

static bool add_directory(const struct walk *walk, int fd, const char *path, unsigned level,
                          struct error *error);

/* Links are left out, whether they lead outside or not. */
static bool add_entry(const struct walk *walk, int directory, const char *name, const char *path,
                      unsigned level, struct error *error)
{
    struct stat info;

    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return error_set_errno(error, errno, "cannot look at %s%s", walk->root, path);
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return true;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return error_set_errno(error, errno, "cannot open %s%s", walk->root, path);
    return S_ISDIR(info.st_mode) ? add_directory(walk, fd, path, level + 1, error)
                                 : add_file(walk, fd, path, error);
}

/* Closes fd. */
static bool add_directory(const struct walk *walk, int fd, const char *path, unsigned level,
                          struct error *error)
{
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    bool ok = true;

    if (!directory) {
        (void)error_set_errno(error, errno, "cannot list %s%s", walk->root, path);
        (void)close(fd);
        return false;
    }
    if (level > LEVELS_MOST)
        ok = error_set(error, ERROR_CONF, "%s%s: more than %d levels of directories", walk->root,
                       path, LEVELS_MOST);
    while (ok && (errno = 0, entry = readdir(directory))) {
        struct buf inside = {0};

        if (entry->d_name[0] == '.')
            continue;
        buf_append_format(&inside, "%s/%s", path, entry->d_name);
        ok =
            buf_ok(&inside, error) && add_entry(walk, fd, entry->d_name, inside.data, level, error);
        buf_clear(&inside);
    }
    if (ok && errno != 0)
        ok = error_set_errno(error, errno, "cannot list %s%s", walk->root, path);
    (void)closedir(directory);
    return ok;
}

static bool read_root(struct site *site, const char *root, struct error *error)
{
    const struct walk walk = {.site = site, .root = root};

    if (!root)
        return true;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return error_set_errno(error, errno, "document_root: cannot open %s", root);
    return add_directory(&walk, fd, "", 0, error);
}

static bool read_client(struct site *site, const char *path, struct error *error)
{
    if (!path)
        return true;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1)
        return error_set_errno(error, errno, "client_script: cannot open %s", path);
    bool ok = read_all(fd, path, CLIENT_MOST, &site->client, error);
    (void)close(fd);
    if (!ok)
        return false;
    if (!memmem(site->client.data, site->client.length, base_mark, sizeof base_mark - 1))
        return error_set(error, ERROR_CONF, "client_script: %s does not say \"%s\"", path,
                         base_mark);
    return true;
}

/* scheme://host:port of a URL: its path would limit connections to exactly that path. */
static struct str origin_of(const char *url)
{
    struct str text = str_of(url);
    const char *host = strstr(url, "://");
    size_t start = host ? (size_t)(host - url) + 3 : 0;
    struct str rest = str_slice(text, start, text.length);

    return str_slice(text, 0, start + str_find_byte(rest, '/'));
}

static void allow_connect(struct buf *csp, struct str origin)
{
    buf_append_byte(csp, ' ');
    buf_append(csp, origin);
}

static bool make_csp(struct site *site, const struct site_settings *settings, struct error *error)
{
    buf_append(&site->csp, STR(csp_text));
    if (settings->public_url)
        allow_connect(&site->csp, origin_of(settings->public_url));
    for (size_t i = 0; i < settings->connect_count; i++)
        allow_connect(&site->csp, str_of(settings->connects[i]));
    return buf_ok(&site->csp, error);
}

bool site_open(struct site *site, const struct site_settings *settings, struct error *error)
{
    *site = (struct site){0};
    if (table_init(&site->files, error) && make_csp(site, settings, error) &&
        read_client(site, settings->client_path, error) &&
        read_root(site, settings->document_root, error))
        return true;
    site_close(site);
    return false;
}

void site_close(struct site *site)
{
    while (site->first) {
        struct site_file *file = site->first;

        site->first = file->next;
        free_file(file);
    }
    table_clear(&site->files);
    buf_clear(&site->csp);
    buf_clear(&site->client);
    buf_clear(&site->client_base);
    site_release(site->client_content);
    *site = (struct site){0};
}

const struct site_file *site_find(const struct site *site, struct str path)
{
    struct buf index = {0};
    struct table_node *node;

    if (str_ends_with(path, STR("/"))) {
        buf_append(&index, path);
        buf_append(&index, STR("index.html"));
        path = buf_str(&index);
    }
    node = table_find(&site->files, path);
    buf_clear(&index);
    return node ? OWNER_OF(node, struct site_file, node) : NULL;
}

static void put_client(const struct site *site, struct str base_url, struct buf *out)
{
    struct str text = buf_str(&site->client);
    const char *mark = memmem(text.data, text.length, base_mark, sizeof base_mark - 1);
    size_t start = (size_t)(mark - text.data);

    buf_append(out, str_slice(text, 0, start));
    buf_append(out, STR("Sync.baseUrl = "));
    json_write_string(out, base_url);
    buf_append(out, str_slice(text, start + sizeof base_mark - 1, text.length));
}

struct site_content *site_find_client(struct site *site, struct str base_url, struct error *error)
{
    struct buf bytes = {0};

    if (site->client.length == 0) {
        error_set(error, ERROR_NOT_FOUND, "the client script is not installed here");
        return NULL;
    }
    if (site->client_content && str_equals(buf_str(&site->client_base), base_url))
        return site->client_content;
    site_release(site->client_content);
    site->client_content = NULL;
    buf_reset(&site->client_base);
    buf_append(&site->client_base, base_url);
    put_client(site, base_url, &bytes);
    if (buf_ok(&bytes, error) && buf_ok(&site->client_base, error))
        site->client_content = new_content(&bytes, error);
    buf_clear(&bytes);
    return site->client_content;
}
