#include "http/routes.h"

#include "http/suites.h"

#include <check.h>

/* Of a request as connection.c and request.c hand it to the table. */
static struct request request_for(enum method method, const char *name, const char *path,
                                  bool deletes)
{
    struct request request = {.head = {.method = method, .method_name = name},
                              .path = str_of(path)};

    request.query.deletes = deletes;
    return request;
}

static const struct {
    const struct route *table;
    enum method method;
    const char *name, *path;
    bool deletes;
    const char *kind;
} found[] = {
    {routes_public, METHOD_GET, "GET", "/syncclient.js", false, "client_script"},
    {routes_public, METHOD_HEAD, "HEAD", "/syncclient.js", false, "client_script"},
    {routes_public, METHOD_GET, "GET", "/info", false, "info"},
    {routes_public, METHOD_POST, "POST", "/verify", false, "verify"},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/d", false, "read"},
    {routes_public, METHOD_HEAD, "HEAD", "/a.example/b@c.example/d", false, "read"},
    {routes_public, METHOD_GET, "GET", "/a.example/b%40c.example/d/e", false, "read"},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/d", false, "append"},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/d", true, "delete"},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/d/+static/x", false, "blob"},
    {routes_public, METHOD_HEAD, "HEAD", "/a.example/b@c.example/d/e/+static/x", true, "blob"},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/d/+static/x", false, "blob_link"},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/d/+static/", false, "upload"},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/", false, "list"},
    {routes_public, METHOD_HEAD, "HEAD", "/a.example/b@c.example", false, "list"},
    {routes_public, METHOD_POST, "POST", "/logout", false, "logout"},
    {routes_public, METHOD_POST, "POST", "/logout/everywhere", false, "logout_everywhere"},
    {routes_public, METHOD_GET, "GET", "/verify/email", false, "mail_page"},
    {routes_public, METHOD_HEAD, "HEAD", "/verify/email", false, "mail_page"},
    {routes_public, METHOD_POST, "POST", "/verify/email", false, "mail_code"},
    {routes_public, METHOD_GET, "GET", "/", false, "file"},
    {routes_public, METHOD_HEAD, "HEAD", "/a/b/c.js", false, "file"},
    {routes_public, METHOD_GET, "GET", "/health", false, "file"},
    {routes_admin, METHOD_GET, "GET", "/health", false, "health"},
    {routes_admin, METHOD_HEAD, "HEAD", "/livez", false, "health"},
    {routes_admin, METHOD_GET, "GET", "/ready", false, "ready"},
    {routes_admin, METHOD_GET, "GET", "/readyz", false, "ready"},
    {routes_admin, METHOD_GET, "GET", "/metrics", false, "metrics"},
    {routes_admin, METHOD_GET, "GET", "/status", false, "status"},
    {routes_admin, METHOD_POST, "POST", "/drain", false, "drain"},
};

START_TEST(test_routes_finds_the_row)
{
    struct request request =
        request_for(found[_i].method, found[_i].name, found[_i].path, found[_i].deletes);
    struct error error = {0};
    unsigned allowed = 0;
    const struct route *route = routes_find(found[_i].table, &request, &allowed, &error);

    ck_assert_msg(route != NULL, "%s %s: %s", found[_i].name, found[_i].path, error.message);
    ck_assert_str_eq(route->kind.name, found[_i].kind);
    ck_assert(route->kind.ended == request_ended);
    ck_assert(route->kind.steps[0].run != NULL);
}
END_TEST

static bool is_found_above(const struct route *route, const struct route *table)
{
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        if (found[i].table == table && str_equals(str_of(found[i].kind), str_of(route->kind.name)))
            return true;
    }
    return false;
}

START_TEST(test_routes_has_no_row_without_a_test)
{
    const struct route *const tables[] = {routes_public, routes_admin};

    for (size_t i = 0; i < 2; i++) {
        for (const struct route *route = tables[i]; route->methods; route++)
            ck_assert_msg(is_found_above(route, tables[i]), "%s", route->kind.name);
    }
}
END_TEST

static const struct {
    const struct route *table;
    enum method method;
    const char *name, *path;
    bool deletes;
    enum error_code code;
    const char *allow; /* NULL: none */
} refused[] = {
    {routes_public, METHOD_POST, "POST", "/info", false, ERROR_METHOD, "GET, HEAD, OPTIONS"},
    {routes_public, METHOD_GET, "GET", "/verify", false, ERROR_METHOD, "POST, OPTIONS"},
    {routes_public, METHOD_GET, "GET", "/logout", false, ERROR_METHOD, "POST, OPTIONS"},
    {routes_public, METHOD_OTHER, "OTHER", "/a.example/b@c.example/d", false, ERROR_METHOD,
     "GET, HEAD, POST, OPTIONS"},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/d", true, ERROR_METHOD,
     "POST, OPTIONS"},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/", false, ERROR_METHOD,
     "GET, HEAD, OPTIONS"},
    {routes_public, METHOD_POST, "POST", "/nowhere", false, ERROR_METHOD, "GET, HEAD, OPTIONS"},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/+static/x", false, ERROR_NOT_FOUND,
     NULL},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/d/+x", false, ERROR_NOT_FOUND,
     NULL},
    {routes_public, METHOD_POST, "POST", "/a.example/b@c.example/%2Bx", true, ERROR_NOT_FOUND,
     NULL},
    {routes_public, METHOD_GET, "GET", "/a.example/b@c.example/../x", false, ERROR_BAD_PATH, NULL},
    {routes_public, METHOD_GET, "GET", "/a_b c/b@c.example/x", false, ERROR_BAD_PATH, NULL},
    {routes_admin, METHOD_GET, "GET", "/drain", false, ERROR_METHOD, "POST, OPTIONS"},
    {routes_admin, METHOD_POST, "POST", "/health", false, ERROR_METHOD, "GET, HEAD, OPTIONS"},
    {routes_admin, METHOD_GET, "GET", "/", false, ERROR_NOT_FOUND, NULL},
    {routes_admin, METHOD_GET, "GET", "/info", false, ERROR_NOT_FOUND, NULL},
    {routes_admin, METHOD_GET, "GET", "/a.example/b@c.example/d", false, ERROR_NOT_FOUND, NULL},
};

START_TEST(test_routes_says_why_there_is_no_row)
{
    struct request request =
        request_for(refused[_i].method, refused[_i].name, refused[_i].path, refused[_i].deletes);
    struct error error = {0};
    unsigned allowed = 0;

    ck_assert_ptr_null(routes_find(refused[_i].table, &request, &allowed, &error));
    ck_assert_msg(error.code == refused[_i].code, "%s %s: %s", refused[_i].name, refused[_i].path,
                  error.message);
    if (refused[_i].allow)
        ck_assert_str_eq(routes_method_names(allowed), refused[_i].allow);
}
END_TEST

START_TEST(test_routes_fills_in_the_address)
{
    struct request request =
        request_for(METHOD_GET, "GET", "/A.example/Ann%40C.example/d/e", false);
    struct error error = {0};
    unsigned allowed = 0;

    ck_assert_ptr_nonnull(routes_find(routes_public, &request, &allowed, &error));
    ck_assert_str_eq(request.address.domain, "a.example");
    ck_assert_str_eq(request.address.user, "Ann@c.example");
    ck_assert_str_eq(request.address.bucket, "d/e");
}
END_TEST

Suite *suite_routes(void)
{
    Suite *suite = suite_create("routes");
    TCase *tcase = tcase_create("routes");

    tcase_add_loop_test(tcase, test_routes_finds_the_row, 0, sizeof found / sizeof *found);
    tcase_add_test(tcase, test_routes_has_no_row_without_a_test);
    tcase_add_loop_test(tcase, test_routes_says_why_there_is_no_row, 0,
                        sizeof refused / sizeof *refused);
    tcase_add_test(tcase, test_routes_fills_in_the_address);
    suite_add_tcase(suite, tcase);
    return suite;
}
