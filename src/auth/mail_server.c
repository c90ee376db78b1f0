#include "auth/mail_server.h"

#include "auth/origin.h"
#include "auth/secret_file.h"
#include "base/crypto.h"

#include <string.h>

static bool take(char to[MAIL_SECRET_SIZE], struct str text)
{
    if (text.length == 0 || text.length >= MAIL_SECRET_SIZE)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    }
    memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    return true;
}

bool mail_server_read_secret(struct mail_secret *secret, const char *path, struct error *error)
{
    char text[SECRET_FILE_SIZE];
    size_t length;

    *secret = (struct mail_secret){0};
    if (!secret_file_read(path, text, &length, error))
        return false;
    struct str line = {text, length};
    if (str_ends_with(line, STR("\n")))
        line.length--;
    size_t colon = str_find_byte(line, ':');
    bool ok = take(secret->user, str_slice(line, 0, colon)) &&
              take(secret->password, str_slice(line, colon + 1, line.length));
    crypto_wipe(text, sizeof text);
    if (!ok)
        crypto_wipe(secret, sizeof *secret);
    return ok || error_set(error, ERROR_CONF, "%s: is not one line USER:PASSWORD", path);
}

/* What follows "smtp://" or "smtps://"; data NULL: it is neither. */
static struct str find_place(const char *url, bool *is_secure)
{
    struct str text = str_of(url), clear = STR("smtp://"), secure = STR("smtps://");

    *is_secure = str_starts_with(text, secure);
    if (*is_secure)
        return str_slice(text, secure.length, text.length);
    return str_starts_with(text, clear) ? str_slice(text, clear.length, text.length)
                                        : (struct str){0};
}

/* The place has the grammar that places have in origins. */
static bool parse_place(const char *url, struct origin *origin, bool *is_secure)
{
    struct str place = find_place(url, is_secure);
    struct buf text = {0};
    struct error cause;

    if (!place.data || str_ends_with(place, STR("/")))
        return false;
    buf_append(&text, STR("https://"));
    buf_append(&text, place);
    bool ok = !text.failed && origin_parse(origin, buf_str(&text), &cause);
    buf_clear(&text);
    return ok;
}

bool mail_server_check(const char *url, struct error *error)
{
    struct origin origin;
    bool is_secure;

    return parse_place(url, &origin, &is_secure) ||
           error_set(error, ERROR_CONF,
                     "\"%.100s\" is not smtp://HOST, smtps://HOST, or one of them with :PORT", url);
}

bool mail_server_check_sender(const char *address, struct error *error)
{
    return address_check_user(str_of(address)) ||
           error_set(error, ERROR_CONF,
                     "\"%.100s\" is no e-mail address, or its host is not in lower case", address);
}

bool mail_server_is_local(const char *url)
{
    struct origin origin;
    bool is_secure;

    return parse_place(url, &origin, &is_secure) && !is_secure &&
           (strcmp(origin.host, "localhost") == 0 || strcmp(origin.host, "127.0.0.1") == 0 ||
            strcmp(origin.host, "[::1]") == 0);
}
