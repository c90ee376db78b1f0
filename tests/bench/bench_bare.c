/* The yardstick for polls: an evhttp server of a few lines that answers everything with 204, on a
 * loop with the same flags as ours and with the same idle timeout, which no server can do without.
 * What we do beyond it is what our own code costs. */
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDLE_TIMEOUT_S = 75 };

static void answer(struct evhttp_request *request, void *arg)
{
    (void)arg;
    evhttp_send_reply(request, HTTP_NOCONTENT, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct event_config *config = event_config_new();
    struct event_base *base;
    struct evhttp *http;
    long port = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

    (void)signal(SIGPIPE, SIG_IGN);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    http = evhttp_new(base);
    evhttp_set_gencb(http, answer, NULL);
    evhttp_set_timeout(http, IDLE_TIMEOUT_S);
    if (evhttp_bind_socket(http, "127.0.0.1", (unsigned short)port) != 0) {
        fprintf(stderr, "cannot listen on port %ld\n", port);
        return EXIT_FAILURE;
    }
    event_base_dispatch(base);
    return EXIT_SUCCESS;
}
