#include "loop/fetch.h"

#include "base/network.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORT_MOST = 65535 };

/* One that libcurl wants to be told of. */
struct watched_socket {
    struct list link;
    struct fetches *fetches;
    curl_socket_t fd;
    struct event *event;
};

/* Outlives the fetch that is given up: its end is told all the same. */
struct fetch_lookup {
    struct fetch *fetch; /* NULL: nobody wants to know */
    struct evdns_getaddrinfo_request *request;
};

/* --- The end of a fetch ------------------------------------------------------------------------
 */

/* Never from within a callback of libcurl. */
static void release(struct fetch *fetch)
{
    if (fetch->line)
        event_free(fetch->line);
    fetch->line = NULL;
    if (fetch->easy) {
        (void)curl_multi_remove_handle(fetch->fetches->multi, fetch->easy); /* harmless if not in */
        curl_easy_cleanup(fetch->easy);
    }
    fetch->easy = NULL;
    curl_slist_free_all(fetch->connect_to);
    curl_slist_free_all(fetch->headers);
    fetch->connect_to = fetch->headers = NULL;
    if (fetch->lookup) {
        fetch->lookup->fetch = NULL;
        if (fetch->lookup->request)
            evdns_getaddrinfo_cancel(fetch->lookup->request);
    }
    fetch->lookup = NULL;
    if (fetch->deadline)
        event_free(fetch->deadline);
    fetch->deadline = NULL;
    curl_free(fetch->host);
    fetch->host = NULL;
    fetch->fetches->count--;
}

void fetch_end(struct fetch *fetch)
{
    release(fetch);
    operation_end(&fetch->operation);
}

static void give_up(struct operation *operation)
{
    release(OWNER_OF(operation, struct fetch, operation));
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *fetch = arg;

    (void)fd;
    (void)what;
    error_set(&fetch->error, ERROR_TIMEOUT, "%s: no answer within %llu ms", fetch->host,
              (unsigned long long)fetch->timeout_ms);
    fetch_end(fetch);
}

/* --- Transfers -------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct fetch *fetch = context;
    size_t length = size * count;

    if (length > fetch->size_most - fetch->body.length) {
        error_set(&fetch->error, ERROR_TOO_LARGE, "%s: the answer has more than %zu bytes",
                  fetch->host, fetch->size_most);
        return 0;
    }
    buf_append(&fetch->body, (struct str){data, length});
    return length;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    const struct fetch *fetch = context;

    (void)purpose;
    if (fetch->only_public && !network_is_public(&address->addr))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void forget_socket(struct watched_socket *watched)
{
    list_remove(&watched->link);
    event_free(watched->event);
    free(watched);
}

/* libcurl may close one that it has not told us to forget. */
static int close_socket(void *context, curl_socket_t fd)
{
    struct fetches *fetches = context;
    struct list *node, *after;

    list_for_each_safe (node, after, &fetches->sockets) {
        struct watched_socket *watched = OWNER_OF(node, struct watched_socket, link);

        if (watched->fd == fd) {
            (void)curl_multi_assign(fetches->multi, fd, NULL);
            forget_socket(watched);
        }
    }
    return close(fd);
}

static void put_lower(char *to, size_t size, const char *text)
{
    size_t length = text ? strcspn(text, "; \t") : 0;

    if (length >= size)
        length = size - 1;
    for (size_t i = 0; i < length; i++)
        to[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    to[length] = '\0';
}

static void take_result(struct fetch *fetch, CURLcode result)
{
    long status = 0;
    const char *type = NULL;

    (void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_TYPE, &type);
    fetch->status = (int)status;
    put_lower(fetch->content_type, sizeof fetch->content_type, type);
    if (fetch->error.code == ERROR_NONE && result != CURLE_OK)
        error_set(&fetch->error, ERROR_IO, "%s: %s", fetch->host, curl_easy_strerror(result));
    if (fetch->error.code == ERROR_NONE)
        (void)!buf_ok(&fetch->body, &fetch->error);
}

static void take_ended(struct fetches *fetches)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(fetches->multi, &left)) != NULL) {
        char *owner = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result; /* removing the handle frees the message */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        struct fetch *fetch = (struct fetch *)(void *)owner;
        take_result(fetch, result);
        if (fetch->talk && fetch->error.code == ERROR_NONE)
            fetch->talk(fetch);
        else
            fetch_end(fetch);
    }
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watched_socket *watched = arg;
    struct fetches *fetches = watched->fetches;
    int running,
        ready = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

    (void)curl_multi_socket_action(fetches->multi, fd, ready, &running);
    take_ended(fetches);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct fetches *fetches = arg;
    int running;

    (void)fd;
    (void)what;
    (void)curl_multi_socket_action(fetches->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(fetches);
}

static struct watched_socket *watch_socket(struct fetches *fetches, curl_socket_t fd)
{
    struct watched_socket *watched = calloc(1, sizeof *watched);

    if (!watched)
        return NULL;
    watched->event = event_new(fetches->loop->base, fd, 0, on_socket, watched);
    if (!watched->event) {
        free(watched);
        return NULL;
    }
    watched->fetches = fetches;
    watched->fd = fd;
    list_append(&fetches->sockets, &watched->link);
    (void)curl_multi_assign(fetches->multi, fd, watched);
    return watched;
}

/* libcurl's wish to know when a socket is ready. The handle it comes with may be one of its own. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct fetches *fetches = context;
    struct watched_socket *watched = known;
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            forget_socket(watched);
        (void)curl_multi_assign(fetches->multi, fd, NULL);
        return 0;
    }
    if (!watched)
        watched = watch_socket(fetches, fd);
    if (!watched)
        return -1;
    (void)event_del(watched->event);
    if (event_assign(watched->event, fetches->loop->base, fd, events, on_socket, watched) != 0)
        return -1;
    return event_add(watched->event, NULL);
}

static int want_timer(CURLM *multi, long wait_ms, void *context)
{
    struct fetches *fetches = context;
    struct timeval after = {wait_ms / 1000, wait_ms % 1000 * 1000};

    (void)multi;
    return wait_ms < 0 ? event_del(fetches->timer) : event_add(fetches->timer, &after);
}

#define SET(option, value) ok = curl_easy_setopt(easy, option, value) == CURLE_OK && ok

static bool set_http(struct fetch *fetch, const struct fetch_request *request)
{
    CURL *easy = fetch->easy;
    bool ok = true;

    fetch->headers = curl_slist_append(NULL, "Expect:"); /* no round trip before the body */
    if (!fetch->headers)
        return false;
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_USERAGENT, "cutoutd");
    SET(CURLOPT_HTTPHEADER, fetch->headers);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, fetch);
    if (request->form.data) {
        SET(CURLOPT_POSTFIELDSIZE, (long)request->form.length);
        SET(CURLOPT_COPYPOSTFIELDS, request->form.data);
    }
    return ok;
}

/* Nobody else gets the line later: a line of this kind is closed with the handle. A file .netrc and
 * ways to log in that would need other servers are left out. */
static bool set_line(struct fetch *fetch, const struct fetch_line *line)
{
    CURL *easy = fetch->easy;
    bool ok = true;

    fetch->talk = line->talk;
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_USE_SSL, (long)(line->in_clear ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    if (line->user) {
        SET(CURLOPT_USERNAME, line->user);
        SET(CURLOPT_PASSWORD, line->password);
        SET(CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
    }
    return ok;
}

/* libcurl copies the strings, so that nothing of the caller's is looked at when the address is
 * known: a configuration may have gone by then. Failures are looked at together. */
static bool make_transfer(struct fetch *fetch, const struct fetch_request *request)
{
    CURL *easy = fetch->easy = curl_easy_init();
    bool ok = easy != NULL;

    if (!ok)
        return false;
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PRIVATE, fetch);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, fetch);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, fetch->fetches);
    if (fetch->fetches->ca_file)
        SET(CURLOPT_CAINFO, fetch->fetches->ca_file);
    /* Certificates of a file are read once a day, of a directory, which most systems have besides,
     * each time: 50 ms in which nothing else happens. */
    const char *trusted = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CAINFO, &trusted) == CURLE_OK && trusted)
        SET(CURLOPT_CAPATH, NULL);
    return ok && (request->line ? set_line(fetch, request->line) : set_http(fetch, request));
}

#undef SET

/* To this address, whatever the name says by then; certificates are checked against the name. */
static bool begin_transfer(struct fetch *fetch, const struct sockaddr *address)
{
    char text[INET6_ADDRSTRLEN] = "", line[INET6_ADDRSTRLEN + 16];
    bool is_v6 = address->sa_family == AF_INET6;
    const void *bytes =
        is_v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
              : &((const struct sockaddr_in *)(const void *)address)->sin_addr;

    (void)inet_ntop(address->sa_family, bytes, text, sizeof text);
    (void)snprintf(line, sizeof line, is_v6 ? "::[%s]:%u" : "::%s:%u", text, fetch->port);
    fetch->connect_to = curl_slist_append(NULL, line);
    return fetch->connect_to &&
           curl_easy_setopt(fetch->easy, CURLOPT_CONNECT_TO, fetch->connect_to) == CURLE_OK &&
           curl_multi_add_handle(fetch->fetches->multi, fetch->easy) == CURLM_OK;
}

/* --- Names ------------------------------------------------------------------------------------ */

static const struct sockaddr *choose(const struct fetch *fetch, const struct evutil_addrinfo *found)
{
    for (; found; found = found->ai_next) {
        if (!fetch->only_public || network_is_public(found->ai_addr))
            return found->ai_addr;
    }
    return NULL;
}

static void on_addresses(int result, struct evutil_addrinfo *found, void *arg)
{
    struct fetch_lookup *lookup = arg;
    struct fetch *fetch = lookup->fetch;
    const struct sockaddr *address = fetch && result == 0 ? choose(fetch, found) : NULL;

    if (fetch) {
        fetch->lookup = NULL;
        if (result != 0)
            error_set(&fetch->error, ERROR_IO, "%s: %s", fetch->host, evutil_gai_strerror(result));
        else if (!address)
            error_set(&fetch->error, ERROR_FORBIDDEN, "%s: is not a public address", fetch->host);
        else if (!begin_transfer(fetch, address))
            error_set(&fetch->error, ERROR_NO_MEMORY, "out of memory for a request");
        if (fetch->error.code != ERROR_NONE)
            fetch_end(fetch);
    }
    if (found)
        evutil_freeaddrinfo(found);
    free(lookup);
}

/* May end before it returns. */
static bool begin_lookup(struct fetch *fetch)
{
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    struct fetch_lookup *lookup = calloc(1, sizeof *lookup);
    char port[8];

    if (!lookup)
        return false;
    (void)snprintf(port, sizeof port, "%u", fetch->port);
    lookup->fetch = fetch;
    fetch->lookup = lookup;
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(fetch->fetches->names, fetch->host, port, &hints, on_addresses, lookup);
    if (request)
        lookup->request = request;
    return true;
}

/* Not before it is needed: without it no descriptor is watched, and no file of the system read. */
static bool open_names(struct fetches *fetches)
{
    if (!fetches->names)
        fetches->names = evdns_base_new(fetches->loop->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                                 EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    /* Without a resolv.conf addresses and the names of /etc/hosts still work. */
    if (!fetches->names)
        fetches->names = evdns_base_new(fetches->loop->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    return fetches->names != NULL;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void on_line(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *fetch = arg;

    (void)fd;
    (void)what;
    fetch->talk(fetch);
}

static bool take_line_result(struct fetch *fetch, CURLcode result)
{
    if (result == CURLE_OK || result == CURLE_AGAIN)
        return true;
    return error_set(&fetch->error, ERROR_IO, "%s: %s", fetch->host, curl_easy_strerror(result));
}

bool fetch_receive(struct fetch *fetch, char *to, size_t size, size_t *length)
{
    *length = 0;
    CURLcode result = curl_easy_recv(fetch->easy, to, size, length);
    if (result == CURLE_OK && *length == 0)
        return error_set(&fetch->error, ERROR_IO, "%s: hung up", fetch->host);
    return take_line_result(fetch, result);
}

bool fetch_send(struct fetch *fetch, struct str bytes, size_t *length)
{
    *length = 0;
    return take_line_result(fetch, curl_easy_send(fetch->easy, bytes.data, bytes.length, length));
}

bool fetch_wait(struct fetch *fetch, bool for_room)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    (void)curl_easy_getinfo(fetch->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD)
        return error_set(&fetch->error, ERROR_IO, "%s: hung up", fetch->host);
    if (fetch->line)
        event_free(fetch->line);
    fetch->line =
        event_new(fetch->fetches->loop->base, fd, for_room ? EV_WRITE : EV_READ, on_line, fetch);
    return (fetch->line && event_add(fetch->line, NULL) == 0) ||
           error_set(&fetch->error, ERROR_NO_MEMORY, "out of memory for a request");
}

/* --- All of it -------------------------------------------------------------------------------- */

static bool split_url(struct fetch *fetch, const char *text, struct error *error)
{
    CURLU *url = curl_url();
    char *port = NULL;
    uint64_t number = 0;
    bool ok = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_HOST, &fetch->host, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              str_parse_u64(str_of(port), PORT_MOST, &number);

    fetch->port = (uint16_t)number;
    if (ok && fetch->host[0] == '[') { /* of an IPv6 address */
        size_t length = strcspn(fetch->host + 1, "]");

        memmove(fetch->host, fetch->host + 1, length);
        fetch->host[length] = '\0';
    }
    curl_free(port);
    curl_url_cleanup(url);
    return ok || error_set(error, ERROR_CONF, "\"%.200s\" is no URL", text);
}

static bool start_deadline(struct fetch *fetch)
{
    uint64_t wait_ms = fetch->timeout_ms;
    struct timeval after = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};

    fetch->deadline = event_new(fetch->fetches->loop->base, -1, 0, on_deadline, fetch);
    return fetch->deadline && event_add(fetch->deadline, &after) == 0;
}

enum step fetch_start(struct fetch *fetch, struct fetches *fetches,
                      const struct fetch_request *request, struct task *task)
{
    *fetch = (struct fetch){.fetches = fetches,
                            .timeout_ms = request->timeout_ms,
                            .size_most = request->size_most,
                            .only_public = request->only_public};
    if (fetches->count == fetches->most)
        return task_fail(task, ERROR_BUSY, "%zu requests to other servers are under way",
                         fetches->count);
    fetches->count++;
    bool ok = split_url(fetch, request->url, &task->error);
    if (ok && !(make_transfer(fetch, request) && open_names(fetches) && start_deadline(fetch)))
        ok = error_set(&task->error, ERROR_NO_MEMORY, "out of memory for a request");
    if (!ok) {
        release(fetch);
        return STEP_FAIL;
    }
    enum step outcome = operation_begin(&fetch->operation, task, give_up);
    if (!begin_lookup(fetch)) {
        error_set(&fetch->error, ERROR_NO_MEMORY, "out of memory for a request");
        fetch_end(fetch);
    }
    return outcome;
}

void fetch_clear(struct fetch *fetch)
{
    buf_clear(&fetch->body);
}

bool fetches_open(struct fetches *fetches, struct loop *loop, size_t most, const char *ca_file,
                  struct error *error)
{
    *fetches = (struct fetches){.loop = loop, .most = most, .ca_file = ca_file};
    list_init(&fetches->sockets);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        fetches->multi = curl_multi_init();
    fetches->timer = event_new(loop->base, -1, 0, on_timer, fetches);
    if (fetches->multi && fetches->timer &&
        curl_multi_setopt(fetches->multi, CURLMOPT_SOCKETFUNCTION, want_socket) == CURLM_OK &&
        curl_multi_setopt(fetches->multi, CURLMOPT_SOCKETDATA, fetches) == CURLM_OK &&
        curl_multi_setopt(fetches->multi, CURLMOPT_TIMERFUNCTION, want_timer) == CURLM_OK &&
        curl_multi_setopt(fetches->multi, CURLMOPT_TIMERDATA, fetches) == CURLM_OK)
        return true;
    fetches_close(fetches);
    return error_set(error, ERROR_NO_MEMORY, "cannot make requests to other servers");
}

void fetches_close(struct fetches *fetches)
{
    if (fetches->multi)
        (void)curl_multi_cleanup(fetches->multi);
    if (fetches->timer)
        event_free(fetches->timer);
    if (fetches->names)
        evdns_base_free(fetches->names, 1);
    *fetches = (struct fetches){0};
}
