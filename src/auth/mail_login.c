#include "auth/mail_login.h"

#include "auth/mail_text.h"
#include "base/clock.h"
#include "base/json_write.h"

#include <string.h>

enum { HOUR_MS = 3600 * 1000, MS_PER_S = 1000, SHARE_OF_ALL = 3, MESSAGE_ID_BYTES = 16 };

bool mail_login_open(struct mail_login *login, struct mails *mails, struct error *error)
{
    *login = (struct mail_login){.mails = mails};
    return mail_code_open_tries(&login->tries, error) && rate_open(&login->clients, error) &&
           rate_open(&login->emails, error) && rate_open(&login->pairs, error);
}

void mail_login_close(struct mail_login *login)
{
    rate_close(&login->tries);
    rate_close(&login->clients);
    rate_close(&login->emails);
    rate_close(&login->pairs);
    crypto_wipe(&login->secret, sizeof login->secret);
    *login = (struct mail_login){0};
}

void mail_login_limit(struct mail_login *login, uint64_t per_email, uint64_t per_client)
{
    rate_set(&login->pairs, per_email, HOUR_MS);
    rate_set(&login->emails, SHARE_OF_ALL * per_email, HOUR_MS);
    rate_set(&login->clients, per_client, HOUR_MS);
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* A mailbox has many spellings: mail servers go by no case, many by no dots, and leave out what
 * follows a "+". All of them share one allowance. */
static void put_mailbox(struct str user, struct buf *out)
{
    size_t at = str_find_byte(user, '@');
    struct str local = str_slice(user, 0, at);

    local = str_slice(local, 0, str_find_byte(local, '+'));
    for (size_t i = 0; i < local.length; i++) {
        char byte = local.data[i];

        if (byte != '.')
            buf_append_byte(out, byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte);
    }
    buf_append(out, str_slice(user, at, user.length));
}

static bool take_turns(struct mail_wish *wish, struct mail_login *login, struct str mailbox,
                       struct str pair, struct str client)
{
    uint64_t now_ms = clock_monotonic_ms(), *wait_s = &wish->wait_s;

    if (!rate_has(&login->pairs, pair, now_ms, wait_s) ||
        !rate_has(&login->emails, mailbox, now_ms, wait_s) ||
        (client.length > 0 && !rate_has(&login->clients, client, now_ms, wait_s)))
        return false;
    return rate_take(&login->pairs, pair, now_ms, wait_s) &&
           rate_take(&login->emails, mailbox, now_ms, wait_s) &&
           (client.length == 0 || rate_take(&login->clients, client, now_ms, wait_s));
}

static bool check_limits(struct mail_wish *wish, struct mail_login *login, struct str client,
                         struct error *error)
{
    struct buf pair = {0};

    put_mailbox(str_of(wish->code.user), &pair);
    size_t length = pair.length;
    buf_append_byte(&pair, ' ');
    buf_append(&pair, client);
    bool ok = buf_ok(&pair, error);
    if (ok &&
        !take_turns(wish, login, str_slice(buf_str(&pair), 0, length), buf_str(&pair), client))
        ok = error_set(error, ERROR_TOO_OFTEN, "too many codes were asked for: wait %llu s",
                       (unsigned long long)wish->wait_s);
    buf_clear(&pair);
    return ok;
}

/* --- The mail --------------------------------------------------------------------------------- */

static bool read_wish(struct mail_wish *wish, struct error *error)
{
    struct error cause;

    if (!address_take_user(wish->code.user, buf_str(&wish->email)))
        return error_set(error, ERROR_BAD_REQUEST, "email is no e-mail address");
    return origin_parse(&wish->code.audience, buf_str(&wish->audience), &cause) ||
           error_set(error, ERROR_BAD_REQUEST, "audience: %.200s", cause.message);
}

static bool put_text(struct mail_wish *wish, const struct mail_login *login, struct str link,
                     int64_t now, struct error *error)
{
    unsigned char random[MESSAGE_ID_BYTES];
    struct buf message_id = {0}, page = {0};

    if (!crypto_random(random, sizeof random, error))
        return false;
    crypto_hex_encode((struct str){(const char *)random, sizeof random}, &message_id);
    if (login->public_url.length > 0) {
        buf_append(&page, login->public_url);
        buf_append(&page, STR("/verify/email?link="));
        buf_append(&page, link);
    }
    const struct mail_text text = {.from = login->from,
                                   .code = &wish->code,
                                   .page = buf_str(&page),
                                   .message_id = buf_str(&message_id),
                                   .now = now};
    bool ok = buf_ok(&message_id, error) && buf_ok(&page, error);
    if (ok)
        mail_text_put(&text, &wish->text);
    if (page.data)
        crypto_wipe(page.data, page.length);
    buf_clear(&page);
    buf_clear(&message_id);
    return ok && buf_ok(&wish->text, error);
}

static bool make_mail(struct mail_wish *wish, const struct mail_login *login,
                      const struct keys *keys, int64_t now, struct error *error)
{
    struct buf link = {0};

    wish->code.expires = now + login->lifetime_s;
    bool ok = mail_code_make(keys, &wish->code, &wish->id, &link, error) &&
              put_text(wish, login, buf_str(&link), now, error);
    if (link.data)
        crypto_wipe(link.data, link.length);
    buf_clear(&link);
    return ok;
}

static enum step send(struct mail_wish *wish, const struct mail_login *login, struct task *task)
{
    const bool logs_in = login->secret.user[0] != '\0';
    const struct mail_request request = {
        .server = login->server,
        .user = logs_in ? login->secret.user : NULL,
        .password = logs_in ? login->secret.password : NULL,
        .in_clear = mail_server_is_local(login->server),
        .sender = str_of(login->from),
        .recipient = str_of(wish->code.user),
        .text = buf_str(&wish->text),
        .timeout_ms = login->timeout_ms,
    };

    return mail_start(&wish->mail, login->mails, &request, task);
}

enum step mail_login_ask(struct mail_wish *wish, const struct login *login, struct str client,
                         int64_t now, struct task *task)
{
    struct mail_login *mail = login->mail;

    if (!mail || !mail->server)
        return task_fail(task, ERROR_NOT_FOUND, "login by mail is off here");
    if (!read_wish(wish, &task->error))
        return STEP_FAIL;
    if (!login_serves(login, &wish->code.audience))
        return task_fail(task, ERROR_FORBIDDEN,
                         "this server is not for the users of that audience");
    if (!check_limits(wish, mail, client, &task->error) ||
        !make_mail(wish, mail, &login->access->keys, now, &task->error))
        return STEP_FAIL;
    return send(wish, mail, task);
}

bool mail_login_answer(struct mail_wish *wish, int64_t now, struct buf *out, struct error *error)
{
    const struct error *cause = &wish->mail.fetch.error;
    int64_t left = wish->code.expires - now;

    if (cause->code != ERROR_NONE)
        return error_set(error, cause->code == ERROR_NO_MEMORY ? cause->code : ERROR_BUSY,
                         "the mail cannot be sent now: %.180s", cause->message);
    buf_append_byte(out, '{');
    json_write_string_member(out, "id", buf_str(&wish->id));
    json_write_u64_member(out, "expires_in", (uint64_t)(left > 0 ? left : 0));
    json_write_u64_member(out, "expires", (uint64_t)wish->code.expires * MS_PER_S);
    buf_append_byte(out, '}');
    return buf_ok(out, error);
}

void mail_wish_clear(struct mail_wish *wish)
{
    mail_clear(&wish->mail);
    if (wish->text.data)
        crypto_wipe(wish->text.data, wish->text.length);
    buf_clear(&wish->text);
    buf_clear(&wish->id);
    buf_clear(&wish->email);
    buf_clear(&wish->audience);
    crypto_wipe(&wish->code, sizeof wish->code);
}
