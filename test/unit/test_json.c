#include "kd/base/file.h"
#include "kd/base/json.h"
#include "scratch.h"

#include <float.h>
#include <math.h>

static struct kd_err err;

static cJSON *parse(const char *text)
{
    return kd_json_parse(text, strlen(text), "t.json", &err);
}

static void expect_text(const cJSON *value, const char *expected)
{
    char *text = kd_json_text(value, false, &err);
    assert_non_null(text);
    assert_string_equal(text, expected);
    kd_free(text);
}

static void valid_texts_are_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {" [ 1 , 2.5 ]\n", "[1,2.5]"},
        {"\xef\xbb\xbf{\"a\":null}", "{\"a\":null}"},
        {"{\"a\":{\"b\":[true,false,-0.5e-3]},\"c\":\"\"}",
         "{\"a\":{\"b\":[true,false,-0.0005]},\"c\":\"\"}"},
        {"\"\\u00e4\\ud83d\\ude00\\n\\\"\\\\\\/\"", "\"ä😀\\n\\\"\\\\/\""},
        {"\xef\xbb\xbf"
         "7",
         "7"}, /* too short for cJSON to look for the mark */
        {"\"\\u0001\"", "\"\\u0001\""},
        {"{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}"},
        {"[[{\"x\":1},{\"x\":1}]]", "[[{\"x\":1},{\"x\":1}]]"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *v = parse(cases[i][0]);
        if (!v) fail_msg("%s: %s", cases[i][0], err.text);
        expect_text(v, cases[i][1]);
        cJSON_Delete(v);
    }
}

static void errors_have_line_and_column(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "t.json: empty"},
        {" \n ", "t.json: empty"},
        {"{\n  \"a\": 1,\n  \"b\" 2\n}", "t.json: line 3, column 7: a colon"},
        {"{\"ä\": x}", "line 1, column 7: a value is expected"},
        {"{\"a\": 1,}", "line 1, column 9: a comma with nothing behind"},
        {"[1,]", "line 1, column 4: a value is missing"},
        {"[,1]", "line 1, column 2: a value is missing before this comma"},
        {"{\"a\":1 \"b\":2}", "line 1, column 8: a comma or }"},
        {"[1 2]", "line 1, column 4: a comma or ]"},
        {"{a:1}", "line 1, column 2: a key in double quotes"},
        {"['x']", "double quotes"},
        {"[1] // why", "line 1, column 5: a comment"},
        {"{ // why", "line 1, column 3: a comment"},
        {"[#", "a comment"},
        {"{}{}", "line 1, column 3: text behind"},
        {"[01]", "column 2: not a number"},
        {"[1.]", "not a number"},
        {"[.5]", "a value is expected"},
        {"[+1]", "a value is expected"},
        {"[-]", "not a number"},
        {"[1e]", "not a number"},
        {"[1e5.5]", "not a number"},
        {"[0x10]", "not a number"},
        {"[1e999]", "too large"},
        {"[NaN]", "a value is expected"},
        {"[1111111111111111111111111111111111111111111111111111111111111111]", "63 characters"},
        {"\"abc", "column 1: this string is not closed"},
        {"[\"abc\n\"]", "line 1, column 2: this string is not closed on its line"},
        {"\"a\tb\"", "column 3: a control character"},
        {"\"\\x\"", "escape"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\u0000\"", "\\u0000"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\ud800\\u0041\"", "surrogate"},
        {"\"\xff\"", "not UTF-8"},
        {"\"\xc0\xaf\"", "not UTF-8"},
        {"\"\xed\xa0\x80\"", "not UTF-8"},
        {"\"\xe2\x82\"", "not UTF-8"},
        {"{\"a\"", "a value is expected"},
        {"[1", "ends within"},
        {"tru", "a value is expected"},
        {"truex", "text behind"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *v = parse(cases[i][0]);
        if (v) fail_msg("accepted: %s", cases[i][0]);
        assert_says(err, cases[i][1]);
    }
}

static void nul_bytes_are_refused(void **state)
{
    (void)state;
    assert_null(kd_json_parse("{}\0", 3, "t", &err));
    assert_says(err, "line 1, column 3");
    assert_null(kd_json_parse("[\0]", 3, "t", &err));
    assert_says(err, "a NUL byte");
    assert_null(kd_json_parse("\"a\0b\"", 5, "t", &err));
    assert_says(err, "control character");
}

/* The text is not followed by a NUL and may end at the edge of its memory. */
static void every_cut_is_refused_within_its_bytes(void **state)
{
    (void)state;
    const char *whole = "{\"a\":[1.5e3,true,null,\"\\u00e4\\ud83d\\ude00ä\"],\"b\":{\"c\":false}}";
    for (size_t n = 0; n < strlen(whole); n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, whole, n);
        assert_null(kd_json_parse(cut, n, "t", &err));
        free(cut);
    }
}

static void repeated_keys_are_refused(void **state)
{
    (void)state;
    assert_null(parse("{\"a\":1,\"b\":2,\"a\":3}"));
    assert_says(err, "t.json: the key a is there twice");
    assert_null(parse("{\"students\":{\"kd\":{\"alpha\":1,\"\\u0061lpha\":1}}}"));
    assert_says(err, "the key students.kd.alpha is");
    assert_null(parse("{\"n\":[1,{\"k\":1,\"k\":1}]}"));
    assert_says(err, "the key n.1.k is");
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * KD_JSON_DEPTH + 3];
    for (int extra = 0; extra < 2; extra++) {
        size_t n = KD_JSON_DEPTH + (size_t)extra;
        memset(text, '[', n);
        memset(text + n, ']', n);
        cJSON *v = kd_json_parse(text, 2 * n, "t", &err);
        assert_true((v == NULL) == (extra == 1));
        cJSON_Delete(v);
    }
    assert_says(err, "nested too deeply");
}

static void numbers_read_back_the_same(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e22, "1e+22"},
        {9007199254740992.0, "9007199254740992"},
        {9007199254740991.0, "9007199254740991"},
        {1e15, "1000000000000000"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {-0.0, "-0"},
        {100, "100"},
        {-2.5, "-2.5"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *v = cJSON_CreateNumber(cases[i].v);
        expect_text(v, cases[i].text);
        cJSON_Delete(v);
    }
    uint64_t x = 1;
    for (int i = 0; i < 20000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        double d;
        memcpy(&d, &x, sizeof d);
        if (!isfinite(d)) continue;
        cJSON *v = cJSON_CreateNumber(d);
        char *text = kd_json_text(v, false, &err);
        cJSON *back = parse(text);
        if (!back || memcmp(&back->valuedouble, &d, sizeof d) != 0) fail_msg("%a as %s", d, text);
        cJSON_Delete(back);
        kd_free(text);
        cJSON_Delete(v);
    }
}

static void pretty_text_is_indented(void **state)
{
    (void)state;
    cJSON *v = parse("{\"a\":[1,2],\"b\":{\"c\":[{\"d\":1}]},\"e\":{},\"f\":[]}");
    char *text = kd_json_text(v, true, &err);
    assert_string_equal(text,
                        "{\n  \"a\": [1, 2],\n  \"b\": {\n    \"c\": [\n      {\n        \"d\": 1\n"
                        "      }\n    ]\n  },\n  \"e\": {},\n  \"f\": []\n}");
    kd_free(text);
    cJSON_Delete(v);
}

static void broken_utf8_is_printed_as_json(void **state)
{
    (void)state;
    cJSON *v = cJSON_CreateString("a\xff"
                                  "b\xe4");
    expect_text(v, "\"a\xef\xbf\xbd"
                   "b\xef\xbf\xbd\"");
    cJSON_Delete(v);
}

static void assignments_reach_their_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a.b.c=0.5",
         "{\"n\":[1,{\"k\":2}],\"o\":null,\"s\":{\"t.u\":3},\"a\":{\"b\":{\"c\":0.5}}}"},
        {"n.1.k=x", "{\"n\":[1,{\"k\":\"x\"}],\"o\":null,\"s\":{\"t.u\":3}}"},
        {"n.0=[true]", "{\"n\":[[true],{\"k\":2}],\"o\":null,\"s\":{\"t.u\":3}}"},
        {"o.p=1", "{\"n\":[1,{\"k\":2}],\"o\":{\"p\":1},\"s\":{\"t.u\":3}}"},
        {"s.t.u=4", "{\"n\":[1,{\"k\":2}],\"o\":null,\"s\":{\"t.u\":4}}"},
        {"s.t=4", "{\"n\":[1,{\"k\":2}],\"o\":null,\"s\":{\"t.u\":3,\"t\":4}}"},
        {"o=a=b", "{\"n\":[1,{\"k\":2}],\"o\":\"a=b\",\"s\":{\"t.u\":3}}"},
        {"o=", "{\"n\":[1,{\"k\":2}],\"o\":\"\",\"s\":{\"t.u\":3}}"},
        {"o=\"5\"", "{\"n\":[1,{\"k\":2}],\"o\":\"5\",\"s\":{\"t.u\":3}}"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *v = parse("{\"n\":[1,{\"k\":2}],\"o\":null,\"s\":{\"t.u\":3}}");
        if (kd_json_assign(v, cases[i][0], &err) < 0) fail_msg("%s: %s", cases[i][0], err.text);
        expect_text(v, cases[i][1]);
        cJSON_Delete(v);
    }
}

static void impossible_assignments_are_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a", "expected KEY=VALUE"},          {"=1", "expected KEY=VALUE"},
        {"a..b=1", "a key is missing"},       {"a.=1", "a key is missing"},
        {".a=1", "a key is missing"},         {"n.2=1", "n is a list of 2, with no element 2"},
        {"n.x=1", "with no element x"},       {"n.0.x=1", "n.0 is a number, which has no keys"},
        {"o={\"a\":1,}", "line 1, column 8"}, {"o=[1", "ends within"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *v = parse("{\"n\":[1,2],\"o\":null}");
        if (kd_json_assign(v, cases[i][0], &err) == 0) fail_msg("accepted: %s", cases[i][0]);
        assert_says(err, cases[i][1]);
        assert_int_equal(err.kind, KD_ERR_USAGE);
        cJSON_Delete(v);
    }
}

static void values_are_found_by_path(void **state)
{
    (void)state;
    cJSON *v = parse("{\"a\":{\"b\":[10,{\"c\":7}]},\"d.e\":5}");
    assert_int_equal(kd_json_get(v, "a.b.1.c")->valueint, 7);
    assert_int_equal(kd_json_get(v, "a.b.0")->valueint, 10);
    assert_int_equal(kd_json_get(v, "d.e")->valueint, 5);
    static const char *const absent[] = {"",        "x", "a.x", "a.b.2",          "a.b.c",
                                         "a.b.0.c", "A", "a.",  "a.b.99999999999"};
    for (unsigned i = 0; i < sizeof absent / sizeof *absent; i++)
        if (kd_json_get(v, absent[i])) fail_msg("found \"%s\"", absent[i]);
    cJSON_Delete(v);
}

static void values_are_compared(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } pairs[] = {
        {"{\"a\":[1,\"x\",null],\"b\":true}", "{\"b\":true,\"a\":[1,\"x\",null]}", true},
        {"9007199254740991", "9007199254740990", false}, /* seeds */
        {"[1,2]", "[2,1]", false},
        {"[1]", "[1,2]", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"\"x\"", "\"y\"", false},
        {"true", "false", false},
        {"0", "null", false},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        cJSON *a = parse(pairs[i].a), *b = parse(pairs[i].b);
        if (kd_json_equal(a, b) != pairs[i].equal || kd_json_equal(b, a) != pairs[i].equal)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
}

static void adding_again_replaces(void **state)
{
    (void)state;
    cJSON *v = cJSON_CreateObject();
    assert_int_equal(kd_json_add_number(v, "a", 1, &err), 0);
    assert_int_equal(kd_json_add_text(v, "b", "x", &err), 0);
    assert_int_equal(kd_json_add_number(v, "a", 2, &err), 0);
    assert_int_equal(kd_json_add(v, "c", NULL, &err), 0);
    expect_text(v, "{\"a\":2,\"b\":\"x\",\"c\":null}");
    cJSON_Delete(v);
}

static void files_are_read(void **state)
{
    (void)state;
    assert_int_equal(kd_file_write(in_scratch("a.json"), "{\"a\":1}", 7, &err), 0);
    cJSON *v = kd_json_read(in_scratch("a.json"), &err);
    expect_text(v, "{\"a\":1}");
    cJSON_Delete(v);
    assert_null(kd_json_read(in_scratch("b.json"), &err));
    assert_says(err, "b.json");
}

static void values_are_made(void **state)
{
    (void)state;
    const double numbers[] = {1, 2.5};
    const float floats[] = {0.5f};
    const char *const words[] = {"a", "b"};
    struct kd_maker all = kd_make_object(&err), list = kd_make_list(&err);
    kd_put_text(&list, NULL, "one");
    kd_put_number(&list, NULL, 2);
    kd_put_text(&all, "text", "x");
    kd_put_text(&all, "no_text", NULL);
    kd_put_number(&all, "number", 0.1);
    kd_put_number(&all, "nan", NAN);
    kd_put_bool(&all, "yes", true);
    kd_put_null(&all, "null");
    kd_put_numbers(&all, "numbers", numbers, 2);
    kd_put_numbers(&all, "none", NULL, 0);
    kd_put_floats(&all, "floats", floats, 1);
    kd_put_texts(&all, "texts", words, 2);
    kd_put_json(&all, "list", kd_make_end(&list));
    kd_put_number(&all, "number", 7); /* again: replaced where it stands */
    char *text = kd_make_end_text(&all);
    assert_string_equal(text, "{\"text\":\"x\",\"no_text\":null,\"number\":7,\"nan\":null,"
                              "\"yes\":true,\"null\":null,\"numbers\":[1,2.5],\"none\":[],"
                              "\"floats\":[0.5],\"texts\":[\"a\",\"b\"],\"list\":[\"one\",2]}");
    kd_free(text);
}

/* A part that could not be made makes the whole fail, and err keeps why. */
static void a_failed_part_fails_the_whole(void **state)
{
    (void)state;
    struct kd_maker all = kd_make_object(&err);
    kd_put_number(&all, "before", 1);
    kd_fail(&err, "the part's own reason");
    kd_put_json(&all, "part", NULL);
    kd_put_number(&all, "behind", 2);
    kd_put_json(&all, "another", cJSON_CreateArray()); /* owned all the same */
    assert_null(kd_make_end(&all));
    assert_string_equal(err.text, "the part's own reason");
    all = kd_make_on(NULL, &err);
    kd_put_text(&all, "key", "value");
    assert_null(kd_make_end_text(&all));
    assert_string_equal(err.text, "the part's own reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_are_read),
        cmocka_unit_test(errors_have_line_and_column),
        cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(every_cut_is_refused_within_its_bytes),
        cmocka_unit_test(repeated_keys_are_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(pretty_text_is_indented),
        cmocka_unit_test(broken_utf8_is_printed_as_json),
        cmocka_unit_test(assignments_reach_their_place),
        cmocka_unit_test(impossible_assignments_are_told),
        cmocka_unit_test(values_are_found_by_path),
        cmocka_unit_test(values_are_compared),
        cmocka_unit_test(adding_again_replaces),
        cmocka_unit_test(values_are_made),
        cmocka_unit_test(a_failed_part_fails_the_whole),
        cmocka_unit_test_setup_teardown(files_are_read, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
