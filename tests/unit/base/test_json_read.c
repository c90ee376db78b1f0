#include "base/json_read.h"

#include "base/suites.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

enum { DEPTH = 4, COUNTING_DEPTH = 1000000 };

/* Writes events as text: "[0 s1:abc ]0". */
static bool record_event(void *context, enum json_event event, unsigned depth, struct str text)
{
    static const char letters[] = "ztfnsk{}[]";
    struct buf *events = context;

    buf_append_format(events, "%s%c%u", events->length > 0 ? " " : "", letters[event], depth);
    if (event == JSON_NUMBER || event == JSON_STRING || event == JSON_KEY) {
        buf_append_byte(events, ':');
        buf_append(events, text);
    } else {
        ck_assert_uint_eq(text.length, 0);
    }
    return true;
}

/* Reads text in pieces: the first has `first` bytes, the others `rest`. */
static bool read_pieces(struct str text, size_t first, size_t rest, struct buf *events,
                        struct error *error)
{
    struct json_read json;
    size_t done = 0, next = first;
    bool ok;

    *error = (struct error){0};
    ck_assert(json_read_open(&json, text.length, DEPTH, record_event, events, error));
    do {
        struct str piece = str_slice(text, done, next);
        /* A copy, so that the sanitizer sees who looks beyond. */
        char *copy = malloc(piece.length + 1);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, piece.data, piece.length);
        ok = json_read_feed(&json, (struct str){copy, piece.length}, error);
        free(copy);
        done += piece.length;
        next = rest;
    } while (ok && done < text.length);
    ok = ok && json_read_finish(&json, error);
    json_read_close(&json);
    return ok;
}

static const struct {
    struct str text;
    const char *events;
} good[] = {
    {{"[]", 2}, "[0 ]0"},
    {{"{}", 2}, "{0 }0"},
    {{"null", 4}, "z0"},
    {{" true\r\n\t ", 9}, "t0"},
    {{"false", 5}, "f0"},
    {{"0", 1}, "n0:0"},
    {{"-0", 2}, "n0:-0"},
    {{"-12.50e+007", 11}, "n0:-12.50e+007"},
    {{"1e999", 5}, "n0:1e999"},
    {{"9223372036854775808", 19}, "n0:9223372036854775808"},
    {{"\"\"", 2}, "s0:"},
    {{"[1,[2,[3,[4]]]]", 15}, "[0 n1:1 [1 n2:2 [2 n3:3 [3 n4:4 ]3 ]2 ]1 ]0"},
    {{"{\"a\":{\"b\":[true,null]},\"a\":1}", 29}, "{0 k1:a {1 k2:b [2 t3 z3 ]2 }1 k1:a n1:1 }0"},
    {{"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", 20}, "[0 s1:\"\\/\b\f\n\r\t ]0"},
    {{"\"\\u00e4\\u00E4\\u20ac\"", 20}, "s0:\xc3\xa4\xc3\xa4\xe2\x82\xac"},
    {{"\"\\ud83d\\ude00\"", 14}, "s0:\xf0\x9f\x98\x80"},
    {{"\"\\uD83D\\uDE00\\uDBFF\\uDFFF\"", 26}, "s0:\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
    {{"{\"\\ud83d\\ude00\":1}", 18}, "{0 k1:\xf0\x9f\x98\x80 n1:1 }0"},
    {{"\"\\\\ud800\"", 9}, "s0:\\ud800"},
    {{"\"\\\\\\\\udc00\\\\\"", 13}, "s0:\\\\udc00\\"},
    {{"\"\\ue000\\ud7ff\"", 14}, "s0:\xee\x80\x80\xed\x9f\xbf"},
    {{"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"", 12},
     "s0:\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f"},
    {{"[ \"a\" , 1 ,{ \"b\" : 2 } ]", 24}, "[0 s1:a n1:1 {1 k2:b n2:2 }1 ]0"},
    {{"{\"\":\"\"}", 7}, "{0 k1: s1: }0"},
};

START_TEST(test_json_read_gives_events_with_their_depth)
{
    struct buf events = {0};
    struct error error;

    ck_assert_msg(json_read_text(good[_i].text, DEPTH, record_event, &events, &error), "%s: %s",
                  good[_i].text.data, error.message);
    ck_assert_str_eq(events.data, good[_i].events);
    buf_clear(&events);
}
END_TEST

START_TEST(test_json_read_keeps_an_escaped_nul)
{
    struct buf events = {0};
    struct error error;

    ck_assert(json_read_text(STR("\"a\\u0000b\""), DEPTH, record_event, &events, &error));
    ck_assert(str_equals(buf_str(&events), STR("s0:a\0b")));
    buf_clear(&events);
}
END_TEST

#define UNPAIRED  "unpaired surrogate escape"
#define UNALLOWED "unallowed token at this point in JSON text"

static const struct {
    struct str text;
    const char *message; /* behind "bad JSON" */
} bad[] = {
    {{"", 0}, " near byte 0: premature EOF"},
    {{" \n", 2}, " near byte 2: premature EOF"},
    {{"[", 1}, " near byte 1: premature EOF"},
    {{"{\"a\":", 5}, " near byte 5: premature EOF"},
    {{"[\"a", 3}, ": the text ends inside a string"},
    {{"[\"a\\", 4}, ": the text ends inside a string"},
    {{"[\"\xc3", 3}, ": the text ends inside a string"},
    {{"[] \"", 4}, ": the text ends inside a string"},
    {{"tru", 3}, " near byte 3: invalid string in json text"},
    {{"-", 1}, " near byte 1: malformed number, a digit is required after the minus sign"},
    {{"[] []", 5}, " near byte 4: trailing garbage"},
    {{"{}x", 3}, " near byte 3: trailing garbage"},
    {{"1 2", 3}, " near byte 3: trailing garbage"},
    {{"[]]", 3}, " near byte 3: trailing garbage"},
    {{"[],", 3}, " near byte 3: trailing garbage"},
    {{"[] \xc3\xa4", 5}, " near byte 4: trailing garbage"},
    {{"[1,]", 4}, " near byte 4: " UNALLOWED},
    {{"[,1]", 4}, " near byte 2: " UNALLOWED},
    {{"{\"a\":1,}", 8}, " near byte 8: invalid object key (must be a string)"},
    {{"{a:1}", 5}, " near byte 2: invalid char in json text"},
    {{"{1:1}", 5}, " near byte 2: invalid object key (must be a string)"},
    {{"{\"a\" 1}", 7}, " near byte 6: object key and value must be separated by a colon (':')"},
    {{"[1 2]", 5}, " near byte 4: after array element, I expect ',' or ']'"},
    {{"{\"a\":1]", 7}, " near byte 6: after key and value, inside map, I expect ',' or '}'"},
    {{"[1}", 3}, " near byte 3: after array element, I expect ',' or ']'"},
    {{"NaN", 3}, " near byte 1: invalid char in json text"},
    {{"[Infinity]", 10}, " near byte 2: invalid char in json text"},
    {{"[-Infinity]", 11},
     " near byte 2: malformed number, a digit is required after the minus sign"},
    {{"nan", 3}, " near byte 1: invalid string in json text"},
    {{"/* */[]", 7},
     " near byte 0: probable comment found in input text, comments are not enabled"},
    {{"[1]// x", 7}, " near byte 3: trailing garbage"},
    {{"\xef\xbb\xbf[]", 5}, " near byte 1: invalid char in json text"},
    {{"[01]", 4}, " near byte 3: after array element, I expect ',' or ']'"},
    {{"[-01]", 5}, " near byte 4: after array element, I expect ',' or ']'"},
    {{"[+1]", 4}, " near byte 2: invalid char in json text"},
    {{"[.5]", 4}, " near byte 2: invalid char in json text"},
    {{"[1.]", 4}, " near byte 3: malformed number, a digit is required after the decimal point"},
    {{"[1e]", 4}, " near byte 3: malformed number, a digit is required after the exponent"},
    {{"[0x1]", 5}, " near byte 3: invalid char in json text"},
    {{"['a']", 5}, " near byte 2: invalid char in json text"},
    {{"[\"a\nb\"]", 7}, " near byte 3: invalid character inside string"},
    {{"[\"\t\"]", 5}, " near byte 2: invalid character inside string"},
    {{"[\"\0\"]", 5}, " near byte 2: invalid character inside string"},
    {{"[\"\x1f\"]", 5}, " near byte 2: invalid character inside string"},
    {{"[\"\v\"]", 5}, " near byte 2: invalid character inside string"},
    {{"[\0]", 3}, " near byte 2: invalid char in json text"},
    {{"[]\0", 3}, " near byte 3: trailing garbage"},
    {{"[\v]", 3}, " at byte 1: control byte between values"},
    {{"[1]\f", 4}, " at byte 3: control byte between values"},
    {{"[\x7f]", 3}, " near byte 2: invalid char in json text"},
    {{"[\"\\x\"]", 6},
     " near byte 3: inside a string, '\\' occurs before a character which it may not"},
    {{"[\"\\u12g4\"]", 10},
     " near byte 6: invalid (non-hex) character occurs after '\\u' inside string"},
    {{"[\"\\u12\"]", 8},
     " near byte 6: invalid (non-hex) character occurs after '\\u' inside string"},
    {{"\"\\ud800\"", 8}, " at byte 7: " UNPAIRED},
    {{"\"\\udbffx\"", 9}, " at byte 7: " UNPAIRED},
    {{"\"\\ud800\\n\"", 10}, " at byte 8: " UNPAIRED},
    {{"\"\\ud800\\u0041\"", 14}, " at byte 12: " UNPAIRED},
    {{"\"\\ud800\\ud800\\udc00\"", 20}, " at byte 12: " UNPAIRED},
    {{"\"\\udc00\"", 8}, " at byte 6: " UNPAIRED},
    {{"\"\\uDFFF\"", 8}, " at byte 6: " UNPAIRED},
    {{"\"\\udc00\\ud800\"", 14}, " at byte 6: " UNPAIRED},
    {{"\"\\ud83d\\ude00\\ude00\"", 20}, " at byte 18: " UNPAIRED},
    {{"{\"\\ud800\":1}", 12}, " at byte 8: " UNPAIRED},
    {{"{\"a\\udc00\":1}", 13}, " at byte 8: " UNPAIRED},
    {{"[\"\\ud800\",\"\\udc00\"]", 19}, " at byte 8: " UNPAIRED},
    {{"[\"\xc0\x80\"]", 6}, " at byte 2: not UTF-8"},
    {{"[\"\xed\xa0\x80\"]", 7}, " at byte 3: not UTF-8"},
    {{"[\"\xf4\x90\x80\x80\"]", 8}, " at byte 3: not UTF-8"},
    {{"[\"\x80\"]", 5}, " at byte 2: not UTF-8"},
    {{"[\"\xc3\"]", 5}, " at byte 3: not UTF-8"},
    {{"[\"\xe2\x82\"]", 6}, " at byte 4: not UTF-8"},
    {{"[\"\xff\"]", 5}, " at byte 2: not UTF-8"},
    {{"[\xff]", 3}, " at byte 1: not UTF-8"},
    {{"[1,\"\\udc00\",\"\xff\"]", 16}, " at byte 9: " UNPAIRED},
    {{"[x,\"\\udc00\xff\"]", 13}, " near byte 2: invalid char in json text"},
    {{"[[[[[]]]]]", 10}, " at byte 4: nested deeper than 4 levels"},
    {{"[[[{\"a\":{}}]]]", 14}, " at byte 8: nested deeper than 4 levels"},
};

START_TEST(test_json_read_refuses_and_says_where_and_why)
{
    struct buf events = {0}, expected = {0};
    struct error error;

    buf_append_format(&expected, "bad JSON%s", bad[_i].message);
    ck_assert_msg(!json_read_text(bad[_i].text, DEPTH, record_event, &events, &error), "%s",
                  bad[_i].text.data);
    ck_assert_int_eq(error.code, ERROR_BAD_JSON);
    ck_assert_str_eq(error.message, expected.data);
    buf_clear(&events);
    buf_clear(&expected);
}
END_TEST

static void assert_same_in_pieces(struct str text)
{
    struct buf whole = {0}, cut = {0};
    struct error whole_error, cut_error;
    bool ok = read_pieces(text, text.length, text.length, &whole, &whole_error);

    for (size_t first = 0; first <= text.length; first++) {
        size_t rest = first == 0 ? 1 : text.length; /* at 0: every byte for itself */

        buf_reset(&cut);
        ck_assert_int_eq(read_pieces(text, first, rest, &cut, &cut_error), ok);
        ck_assert_str_eq(cut_error.message, whole_error.message);
        ck_assert(str_equals(buf_str(&cut), buf_str(&whole)));
    }
    buf_clear(&whole);
    buf_clear(&cut);
}

START_TEST(test_json_read_gives_the_same_however_good_text_is_cut)
{
    assert_same_in_pieces(good[_i].text);
}
END_TEST

START_TEST(test_json_read_gives_the_same_however_bad_text_is_cut)
{
    assert_same_in_pieces(bad[_i].text);
}
END_TEST

START_TEST(test_json_read_allows_exactly_max_depth_levels)
{
    struct buf events = {0};
    struct error error;

    ck_assert(json_read_text(STR("1"), 0, record_event, &events, &error));
    ck_assert(!json_read_text(STR("[]"), 0, record_event, &events, &error));
    ck_assert_str_eq(error.message, "bad JSON at byte 0: nested deeper than 0 levels");
    ck_assert(json_read_text(STR("[{}]"), 2, record_event, &events, &error));
    ck_assert(!json_read_text(STR("[{}]"), 1, record_event, &events, &error));
    ck_assert(json_read_text(STR("[[],[],[]]"), 2, record_event, &events, &error));
    buf_clear(&events);
}
END_TEST

/* --- Memory --------------------------------------------------------------------------
 * What the parser asks for at most must be there, whatever it reads: each of these would fail with
 * ERROR_NO_MEMORY if the reserve were counted too small. */

struct sum {
    size_t events, bytes;
};

static bool add_up(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct sum *sum = context;

    (void)event;
    (void)depth;
    sum->events++;
    sum->bytes += text.length;
    return true;
}

static struct sum read_sum(struct str text, size_t piece)
{
    struct json_read json;
    struct sum sum = {0};
    struct error error;

    ck_assert(json_read_open(&json, text.length, COUNTING_DEPTH, add_up, &sum, &error));
    for (size_t done = 0; done < text.length; done += piece)
        ck_assert_msg(json_read_feed(&json, str_slice(text, done, piece), &error), "%s",
                      error.message);
    ck_assert(json_read_finish(&json, &error));
    json_read_close(&json);
    return sum;
}

static void repeat(struct buf *out, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_append_text(out, text);
}

/* open + unit * times + close */
static const struct {
    const char *open, *unit, *close;
    size_t times, piece, events, bytes;
} heavy[] = {
    {"[\"", "\\n", "\"]", 500000, 65536, 3, 500000},
    {"[\"", "\\u00e4", "\"]", 170000, 65536, 3, 340000},
    {"[\"", "\\ud83d\\ude00", "\"]", 90000, 65535, 3, 360000},
    {"[\"", "x", "\"]", 1000000, 65536, 3, 1000000},
    {"[\"", "\\\\", "\"]", 5000, 1, 3, 5000},
    {"{\"", "\\u0000", "\":1}", 4000, 7, 4, 4001},
    {"", "1", "", 300000, 4095, 1, 300000},
    {"", " ", "null", 300000, 4096, 1, 0},
    {"[", "\"\\t\",", "1]", 100000, 65536, 100003, 100001},
    {"{", "\"k\":\"v\",", "\"\":0}", 100000, 4099, 200004, 200001},
    {"[", "[],", "{}]", 100000, 65536, 200004, 0},
};

START_TEST(test_json_read_has_memory_for_any_token)
{
    struct buf text = {0};
    struct sum sum;

    buf_append_text(&text, heavy[_i].open);
    repeat(&text, heavy[_i].unit, heavy[_i].times);
    buf_append_text(&text, heavy[_i].close);
    sum = read_sum(buf_str(&text), heavy[_i].piece);
    ck_assert_uint_eq(sum.events, heavy[_i].events);
    ck_assert_uint_eq(sum.bytes, heavy[_i].bytes);
    buf_clear(&text);
}
END_TEST

START_TEST(test_json_read_has_memory_for_any_nesting)
{
    const size_t levels = 200000;
    struct buf text = {0};

    repeat(&text, "[", levels);
    repeat(&text, "]", levels);
    ck_assert_uint_eq(read_sum(buf_str(&text), 65536).events, 2 * levels);
    buf_reset(&text);
    repeat(&text, "{\"\":", levels);
    buf_append_text(&text, "1");
    repeat(&text, "}", levels);
    ck_assert_uint_eq(read_sum(buf_str(&text), 3).events, 3 * levels + 1);
    buf_clear(&text);
}
END_TEST

START_TEST(test_json_read_has_memory_where_buffers_double)
{
    struct buf text = {0};

    for (size_t power = 2048; power <= 16384; power *= 2) {
        for (size_t length = power - 8; length <= power + 4; length++) {
            buf_reset(&text);
            buf_append_text(&text, "\"\\n");
            repeat(&text, "x", length - 3);
            buf_append_byte(&text, '"');
            ck_assert_uint_eq(read_sum(buf_str(&text), 1021).bytes, length - 2);
        }
    }
    buf_clear(&text);
}
END_TEST

START_TEST(test_json_read_fails_cleanly_when_its_reserve_runs_out)
{
    struct json_read json;
    struct sum sum = {0};
    struct error error;
    bool ok = true;

    ck_assert(json_read_open(&json, 64, 1, add_up, &sum, &error));
    ck_assert(json_read_feed(&json, STR("[\""), &error));
    /* A lie about what was fed gets around the check of the announced length. */
    for (int i = 0; ok && i < 10000; i++) {
        json.fed = 0;
        ok = json_read_feed(&json, STR("0123456789abcdef0123456789abcdef"), &error);
    }
    ck_assert(!ok);
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    ck_assert(!json_read_feed(&json, STR("\"]"), &error));
    ck_assert(!json_read_finish(&json, &error));
    ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
    json_read_close(&json);
}
END_TEST

START_TEST(test_json_read_refuses_more_than_was_announced)
{
    struct json_read json;
    struct sum sum = {0};
    struct error error;

    ck_assert(json_read_open(&json, 3, 1, add_up, &sum, &error));
    ck_assert(json_read_feed(&json, STR("[1"), &error));
    ck_assert(!json_read_feed(&json, STR(",2]"), &error));
    ck_assert_int_eq(error.code, ERROR_TOO_LARGE);
    ck_assert_str_eq(error.message, "JSON is longer than the announced 3 bytes");
    ck_assert(!json_read_feed(&json, STR("]"), &error));
    json_read_close(&json);
}
END_TEST

START_TEST(test_json_read_says_when_the_reserve_cannot_be_had)
{
    static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 6};
    struct json_read json;
    struct error error;

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        ck_assert(!json_read_open(&json, lengths[i], 1, add_up, NULL, &error));
        ck_assert_int_eq(error.code, ERROR_NO_MEMORY);
        json_read_close(&json);
    }
}
END_TEST

/* --- Life ---------------------------------------------------------------------------- */

struct stopper {
    size_t left;
    struct error *error;
};

static bool stop_after_some(void *context, enum json_event event, unsigned depth, struct str text)
{
    struct stopper *stopper = context;

    (void)event;
    (void)depth;
    (void)text;
    if (stopper->left-- > 0)
        return true;
    return error_set(stopper->error, ERROR_BAD_OBJECTS, "not this one");
}

START_TEST(test_json_read_stops_with_the_error_of_the_function)
{
    /* Once inside, once at the end: there the number is complete only when nothing follows. */
    static const struct str texts[] = {{"[1,2,3]", 7}, {"7", 1}};
    struct error error;
    struct json_read json;

    for (size_t i = 0; i < 2; i++) {
        struct stopper stopper = {i == 0 ? 2 : 0, &error};

        ck_assert(json_read_open(&json, texts[i].length, 1, stop_after_some, &stopper, &error));
        ck_assert_int_eq(json_read_feed(&json, texts[i], &error), i == 1);
        ck_assert(!json_read_finish(&json, &error));
        ck_assert(!json_read_feed(&json, STR(""), &error));
        ck_assert_int_eq(error.code, ERROR_BAD_OBJECTS);
        ck_assert_str_eq(error.message, "not this one");
        json_read_close(&json);
    }
}
END_TEST

START_TEST(test_json_read_fails_again_after_a_failure)
{
    struct json_read json;
    struct sum sum = {0};
    struct error error = {0};

    ck_assert(json_read_open(&json, 10, 1, add_up, &sum, &error));
    ck_assert(!json_read_feed(&json, STR("[\xff"), &error));
    error = (struct error){0};
    ck_assert(!json_read_feed(&json, STR("]"), &error));
    ck_assert_str_eq(error.message, "bad JSON at byte 1: not UTF-8");
    error = (struct error){0};
    ck_assert(!json_read_finish(&json, &error));
    ck_assert_str_eq(error.message, "bad JSON at byte 1: not UTF-8");
    ck_assert_uint_eq(sum.events, 1);
    json_read_close(&json);
}
END_TEST

START_TEST(test_json_read_closes_twice_and_unopened)
{
    struct json_read json = {0};
    struct sum sum = {0};
    struct error error;

    json_read_close(&json);
    ck_assert(json_read_open(&json, 10, 1, add_up, &sum, &error));
    ck_assert(json_read_feed(&json, STR("[\"half"), &error));
    json_read_close(&json);
    json_read_close(&json);
}
END_TEST

Suite *suite_json_read(void)
{
    Suite *suite = suite_create("json_read");
    TCase *tests = tcase_create("json_read");
    const int good_count = sizeof good / sizeof *good, bad_count = sizeof bad / sizeof *bad;

    tcase_add_loop_test(tests, test_json_read_gives_events_with_their_depth, 0, good_count);
    tcase_add_test(tests, test_json_read_keeps_an_escaped_nul);
    tcase_add_loop_test(tests, test_json_read_refuses_and_says_where_and_why, 0, bad_count);
    tcase_add_loop_test(tests, test_json_read_gives_the_same_however_good_text_is_cut, 0,
                        good_count);
    tcase_add_loop_test(tests, test_json_read_gives_the_same_however_bad_text_is_cut, 0, bad_count);
    tcase_add_test(tests, test_json_read_allows_exactly_max_depth_levels);
    tcase_add_loop_test(tests, test_json_read_has_memory_for_any_token, 0,
                        (int)(sizeof heavy / sizeof *heavy));
    tcase_add_test(tests, test_json_read_has_memory_for_any_nesting);
    tcase_add_test(tests, test_json_read_has_memory_where_buffers_double);
    tcase_add_test(tests, test_json_read_fails_cleanly_when_its_reserve_runs_out);
    tcase_add_test(tests, test_json_read_refuses_more_than_was_announced);
    tcase_add_test(tests, test_json_read_says_when_the_reserve_cannot_be_had);
    tcase_add_test(tests, test_json_read_stops_with_the_error_of_the_function);
    tcase_add_test(tests, test_json_read_fails_again_after_a_failure);
    tcase_add_test(tests, test_json_read_closes_twice_and_unopened);
    suite_add_tcase(suite, tests);
    return suite;
}
