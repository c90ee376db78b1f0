#include "suites.h"
#include "sync/objects.h"

#include <string.h>

#include <check.h>

static const struct limits limits = {.max_post_bytes = 1 << 20,
                                     .max_post_objects = 5,
                                     .max_object_bytes = 200,
                                     .max_blob_bytes = 20,
                                     .json_max_depth = 8};

static const unsigned char secret[SIPHASH_KEY_SIZE] = "0123456789abcde";

/* In pieces of `piece` bytes. */
static bool read_pieces(struct objects *objects, const char *body, size_t piece,
                        struct error *error)
{
    struct str text = str_of(body);

    if (!objects_open(objects, &limits, text.length, error))
        return false;
    for (size_t at = 0; at < text.length; at += piece) {
        if (!objects_feed(objects, str_slice(text, at, piece), error))
            return false;
    }
    return objects_finish(objects, error);
}

static const struct {
    const char *sent, *stored;
} good[] = {
    {"[{}]", "{}"},
    {" [ { } ] ", "{}"},
    {"[{\"id\" : \"a b\" ,\n\t\"data\":[ 1.50 , -0, 1E400,\t\"x\\\" y \\\\\" ]}]",
     "{\"id\":\"a b\",\"data\":[1.50,-0,1E400,\"x\\\" y \\\\\"]}"},
    {"[{\"id\":-9007199254740991,\"expires\":1790000000.5}]",
     "{\"id\":-9007199254740991,\"expires\":1790000000.5}"},
    {"[{\"data\":\"[{,}]\"}]", "{\"data\":\"[{,}]\"}"},
    {"[{\"data\":\"\\ud83d\\ude00 \xf0\x9f\x98\x80\\u0000\"}]",
     "{\"data\":\"\\ud83d\\ude00 \xf0\x9f\x98\x80\\u0000\"}"},
    {"[{\"x\":1,\"x\":2,\"y\":{\"id\":1,\"id\":2}}]",
     "{\"x\":1,\"x\":2,\"y\":{\"id\":1,\"id\":2}}"},
};

START_TEST(test_objects_keep_what_was_sent_but_white_space)
{
    size_t length = strlen(good[_i].sent);
    struct error error;

    for (size_t piece = 1; piece <= length; piece++) {
        struct objects objects;

        ck_assert_msg(read_pieces(&objects, good[_i].sent, piece, &error), "%s", error.message);
        ck_assert_uint_eq(objects.count, 1);
        ck_assert_msg(str_equals(objects_text(&objects, 0), str_of(good[_i].stored)),
                      "pieces of %zu: %.*s", piece, STR_ARG(objects_text(&objects, 0)));
        objects_clear(&objects);
    }
}
END_TEST

static const struct {
    const char *body;
    enum error_code code;
    const char *text; /* in message or errors */
} bad[] = {
    {"", ERROR_BAD_JSON, ""},
    {"{}", ERROR_BAD_JSON, "array"},
    {"3", ERROR_BAD_JSON, "array"},
    {"\"x\"", ERROR_BAD_JSON, "array"},
    {"null", ERROR_BAD_JSON, "array"},
    {"[{}", ERROR_BAD_JSON, ""},
    {"[{}]]", ERROR_BAD_JSON, ""},
    {"[{}][]", ERROR_BAD_JSON, ""},
    {"[{},]", ERROR_BAD_JSON, ""},
    {"[NaN]", ERROR_BAD_JSON, ""},
    {"[{\"a\":01}]", ERROR_BAD_JSON, ""},
    {"[{\"a\":\"\xc0\x80\"}]", ERROR_BAD_JSON, ""},
    {"[{\"a\":\"\xed\xa0\x80\"}]", ERROR_BAD_JSON, ""},
    {"[{\"a\":\"\\ud800\"}]", ERROR_BAD_JSON, ""},
    {"[{\"a\":[[[[[[[[[]]]]]]]]]}]", ERROR_BAD_JSON, ""},
    {"[{},{},{},{},{},{}]", ERROR_TOO_LARGE, "max_post_objects"},
    {"[1]", ERROR_BAD_OBJECTS, "{\"index\":0,\"code\":\"not_object\""},
    {"[{},[{}]]", ERROR_BAD_OBJECTS, "{\"index\":1,\"code\":\"not_object\""},
    {"[{\"id\":null}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":1.0}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":1e3}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":-0}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":9007199254740992}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":true}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":[1]}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":{}}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"id\":\"a\\u0000\"}]", ERROR_BAD_OBJECTS, "bad_id"},
    {"[{\"type\":1}]", ERROR_BAD_OBJECTS, "bad_type"},
    {"[{\"type\":null}]", ERROR_BAD_OBJECTS, "bad_type"},
    {"[{\"type\":\"a\\u0000\"}]", ERROR_BAD_OBJECTS, "bad_type"},
    {"[{\"deleted\":false}]", ERROR_BAD_OBJECTS, "bad_deleted"},
    {"[{\"deleted\":1}]", ERROR_BAD_OBJECTS, "bad_deleted"},
    {"[{\"deleted\":[true]}]", ERROR_BAD_OBJECTS, "bad_deleted"},
    {"[{\"deleted\":true,\"data\":null}]", ERROR_BAD_OBJECTS, "deleted_with_data"},
    {"[{\"data\":1,\"id\":\"x\",\"deleted\":true}]", ERROR_BAD_OBJECTS,
     "\"id\":\"x\",\"code\":\"deleted_with_data\""},
    {"[{\"expires\":\"1\"}]", ERROR_BAD_OBJECTS, "bad_expires"},
    {"[{\"expires\":-1}]", ERROR_BAD_OBJECTS, "bad_expires"},
    {"[{\"expires\":null}]", ERROR_BAD_OBJECTS, "bad_expires"},
    {"[{\"id\":1,\"id\":1}]", ERROR_BAD_OBJECTS, "duplicate_member"},
    {"[{\"id\":1,\"\\u0069d\":1}]", ERROR_BAD_OBJECTS, "duplicate_member"},
    {"[{\"blob\":{}}]", ERROR_BAD_OBJECTS, "bad_blob"},
    {"[{},{\"id\":7,\"type\":0},{},{\"deleted\":2}]", ERROR_BAD_OBJECTS,
     "{\"index\":1,\"id\":7,\"code\":\"bad_type\""},
};

START_TEST(test_objects_refuse_what_is_wrong_and_say_why)
{
    size_t length = strlen(bad[_i].body);

    for (size_t piece = 1; piece <= length + 1; piece++) {
        struct objects objects;
        struct error error = {0};

        ck_assert_msg(!read_pieces(&objects, bad[_i].body, piece, &error), "%s", bad[_i].body);
        ck_assert_msg(error.code == bad[_i].code, "%s: %s", bad[_i].body, error.message);
        ck_assert_msg(strstr(error.message, bad[_i].text) ||
                          strstr(buf_str(&objects.errors).data, bad[_i].text),
                      "%s: %s %s", bad[_i].body, error.message, buf_str(&objects.errors).data);
        objects_clear(&objects);
        objects_clear(&objects);
    }
}
END_TEST

START_TEST(test_objects_tell_sizes_from_other_faults)
{
    struct objects objects;
    struct error error;
    struct buf body = {0};

    buf_append_text(&body, "[{\"id\":\"small\"},{\"id\":\"big\",\"data\":\"");
    for (int i = 0; i < 200; i++)
        buf_append_byte(&body, 'x');
    buf_append_text(&body, "\"}]");
    ck_assert(!read_pieces(&objects, body.data, 64, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert_ptr_nonnull(
        strstr(objects.errors.data, "{\"index\":1,\"id\":\"big\",\"code\":\"too_large\""));
    ck_assert_ptr_nonnull(strstr(error.message, "max_object_bytes"));
    objects_clear(&objects);
    body.length--;
    buf_append_text(&body, ",3]");
    ck_assert(!read_pieces(&objects, body.data, 64, &error));
    ck_assert_int_eq(error.code, ERROR_BAD_OBJECTS);
    objects_clear(&objects);
    buf_clear(&body);
}
END_TEST

START_TEST(test_objects_refuse_a_body_over_the_limit_unread)
{
    struct objects objects;
    struct error error;

    ck_assert(!objects_open(&objects, &limits, (1 << 20) + 1, &error));
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(error.message, "max_post_bytes"));
    objects_clear(&objects);
}
END_TEST

START_TEST(test_objects_describe_tells_identities_apart)
{
    struct batch_object a, b;
    struct objects objects;
    struct error error;
    static const char *const different[] = {
        "[{\"id\":1},{\"id\":\"1\"}]",
        "[{\"id\":\"a\"},{\"id\":\"a\",\"type\":\"\"}]",
        "[{\"id\":\"a\",\"type\":\"x\"},{\"id\":\"a\",\"type\":\"y\"}]",
        "[{\"id\":\"sa\"},{\"id\":\"a\",\"type\":\"s\"}]",
    };
    static const char *const same[] = {
        "[{\"id\":\"a\"},{\"data\":1,\"id\":\"\\u0061\"}]",
        "[{\"id\":1,\"type\":\"t\"},{\"type\":\"t\",\"id\":1,\"deleted\":true}]",
    };

    for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
        ck_assert(read_pieces(&objects, different[i], 100, &error));
        objects_describe(&objects, 0, secret, &a);
        objects_describe(&objects, 1, secret, &b);
        ck_assert_msg(a.key != b.key, "%s", different[i]);
        objects_clear(&objects);
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        ck_assert(read_pieces(&objects, same[i], 100, &error));
        objects_describe(&objects, 0, secret, &a);
        objects_describe(&objects, 1, secret, &b);
        ck_assert_msg(a.key == b.key, "%s", same[i]);
        ck_assert_uint_eq(a.type, b.type);
        objects_clear(&objects);
    }
}
END_TEST

START_TEST(test_objects_describe_gives_flags_and_expiry)
{
    struct batch_object object;
    struct objects objects;
    struct error error;

    ck_assert(read_pieces(
        &objects, "[{\"id\":1,\"deleted\":true},{\"expires\":99999999999},{\"expires\":7.9}]", 100,
        &error));
    objects_describe(&objects, 0, secret, &object);
    ck_assert_uint_eq(object.flags, INDEX_DELETED);
    ck_assert_uint_eq(object.type, 0);
    objects_describe(&objects, 1, secret, &object);
    ck_assert_uint_eq(object.flags, 0);
    ck_assert_uint_eq(object.key, 0);
    ck_assert_uint_eq(object.expires, UINT32_MAX);
    objects_describe(&objects, 2, secret, &object);
    ck_assert_uint_eq(object.expires, 7);
    objects_clear(&objects);
}
END_TEST

START_TEST(test_objects_read_reason_takes_one_object_only)
{
    struct buf out = {0};
    struct error error;

    ck_assert(objects_read_reason(STR(" { \"reason\" : \"a b\\\" \" } "), &limits, &out, &error));
    ck_assert_str_eq(out.data, "{\"reason\":\"a b\\\" \"}");
    buf_reset(&out);
    ck_assert(objects_read_reason(STR(""), &limits, &out, &error));
    ck_assert_str_eq(out.data, "{}");
    buf_reset(&out);
    ck_assert(!objects_read_reason(STR("[]"), &limits, &out, &error));
    ck_assert(!objects_read_reason(STR("\"x\""), &limits, &out, &error));
    ck_assert(!objects_read_reason(STR("{} {}"), &limits, &out, &error));
    buf_clear(&out);
}
END_TEST

Suite *suite_objects(void)
{
    Suite *suite = suite_create("objects");
    TCase *cases = tcase_create("objects");

    tcase_add_loop_test(cases, test_objects_keep_what_was_sent_but_white_space, 0,
                        sizeof good / sizeof *good);
    tcase_add_loop_test(cases, test_objects_refuse_what_is_wrong_and_say_why, 0,
                        sizeof bad / sizeof *bad);
    tcase_add_test(cases, test_objects_tell_sizes_from_other_faults);
    tcase_add_test(cases, test_objects_refuse_a_body_over_the_limit_unread);
    tcase_add_test(cases, test_objects_describe_tells_identities_apart);
    tcase_add_test(cases, test_objects_describe_gives_flags_and_expiry);
    tcase_add_test(cases, test_objects_read_reason_takes_one_object_only);
    suite_add_tcase(suite, cases);
    return suite;
}
