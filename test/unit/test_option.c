#include "kd/base/mem.h"
#include "kd/base/option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct config {
    bool fast, bias;
    int64_t epochs, any;
    double rate;
    char *data;
    int optimizer;
    double momentum;
    struct kd_reals temperature;
    struct kd_texts models;
    cJSON *network;
    int64_t hidden;
};

#define RULES(X) X(SGD, "sgd") X(ADAM, "adam") X(ADAMW, "adamw")
enum { RULES(KD_CHOICE_ENUM) };

static const struct kd_option rows[] = {
    {"fast", 'f', "fast", KD_OPT_BOOL, offsetof(struct config, fast), .help = "be quick"},
    {"bias", 0, "bias", KD_OPT_BOOL, offsetof(struct config, bias), .preset = "true",
     .help = "no bias"},
    {"epochs", 'e', "epochs", KD_OPT_INT, offsetof(struct config, epochs), .preset = "20", .min = 1,
     .max = 1e6, .metavar = "N", .help = "passes over the data"},
    {"any", 0, "any", KD_OPT_INT, offsetof(struct config, any), .metavar = "N",
     .help = "any number"},
    {"learning-rate", 'l', "learning_rate", KD_OPT_REAL, offsetof(struct config, rate),
     .preset = "0.1", .min = 1e-9, .metavar = "R", .help = "step size"},
    {"data", 'd', "data", KD_OPT_TEXT, offsetof(struct config, data), .preset = "mnist",
     .metavar = "SOURCE", .help = "data"},
    {"optimizer", 0, "optimizer.kind", KD_OPT_CHOICE, offsetof(struct config, optimizer),
     .choices = KD_CHOICES(RULES), .preset = "adam", .metavar = "KIND", .help = "rule"},
    {"momentum", 0, "optimizer.momentum", KD_OPT_REAL, offsetof(struct config, momentum),
     .preset = "0.9", .max = 1, .metavar = "R", .help = "share of the last step"},
    {"temperature", 't', "temperature", KD_OPT_REALS, offsetof(struct config, temperature),
     .preset = "1,4", .min = 0.01, .max = 1e4, .metavar = "T,...", .help = "temperatures"},
    {"model", 'm', "models", KD_OPT_TEXTS, offsetof(struct config, models), .metavar = "FILE",
     .help = "models"},
    {"network", 0, "network", KD_OPT_JSON, offsetof(struct config, network), .metavar = "JSON",
     .help = "network"},
    {NULL, 0, "hidden", KD_OPT_INT, offsetof(struct config, hidden), .preset = "7",
     .help = "JSON only"},
    {0},
};

static struct config config;
static const struct kd_opt_section section[] = {{"train", "Training", rows, &config, NULL}, {0}};
static struct kd_err err;

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof err);
    memset(&config, 0x5a, sizeof config); /* presets must not trust what was there */
    return kd_opts_preset(section, &err);
}

static int teardown(void **state)
{
    (void)state;
    kd_opts_release(section);
    assert_null(config.data);
    assert_int_equal(config.models.n, 0);
    return 0;
}

enum { WORDS = 16 };
/* "a b c" as argv; the text must outlive argv. */
static int split(char *text, char *argv[WORDS])
{
    static char name[] = "kd-test";
    int argc = 1;
    argv[0] = name;
    for (char *p = text; *p && argc < WORDS;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p) *p++ = '\0';
    }
    return argc;
}

static int flags(const char *text)
{
    char copy[256], *argv[WORDS];
    struct kd_args args;
    snprintf(copy, sizeof copy, "%s", text);
    int argc = split(copy, argv);
    if (kd_args_scan(&args, section, argc, argv, &err) < 0) return -1;
    int status = kd_args_apply(&args, &err);
    kd_args_release(&args);
    return status;
}

static void refused(const char *words, const char *text)
{
    memset(&err, 0, sizeof err);
    assert_int_equal(flags(words), -1);
    assert_string_equal(err.text, text);
    assert_int_equal(err.kind, KD_ERR_USAGE);
}

static int json_with(const char *text, const char *const *besides)
{
    cJSON *object = cJSON_Parse(text);
    assert_non_null(object);
    memset(&err, 0, sizeof err);
    int status = kd_opts_from_json(section, object, "students.kd.train", besides, &err);
    cJSON_Delete(object);
    return status;
}

static int json(const char *text)
{
    return json_with(text, NULL);
}

static void json_refused(const char *object, const char *text)
{
    assert_int_equal(json(object), -1);
    assert_string_equal(err.text, text);
    assert_int_equal(err.kind, KD_ERR_USAGE);
}

static void presets(void **state)
{
    (void)state;
    assert_false(config.fast);
    assert_true(config.bias);
    assert_int_equal(config.epochs, 20);
    assert_int_equal(config.any, 0);
    assert_true(config.rate == 0.1);
    assert_string_equal(config.data, "mnist");
    assert_int_equal(config.optimizer, ADAM);
    assert_int_equal(config.temperature.n, 2);
    assert_true(config.temperature.v[1] == 4);
    assert_int_equal(config.models.n, 0);
    assert_null(config.network);
    assert_int_equal(config.hidden, 7);
}

static void bad_preset(void **state)
{
    (void)state;
    static const struct kd_option bad[] = {
        {"n", 0, NULL, KD_OPT_INT, 0, .preset = "0", .min = 1, .max = 2}, {0}};
    int64_t value = 5;
    const struct kd_opt_section one[] = {{"one", "One", bad, &value, NULL}, {0}};
    assert_int_equal(kd_opts_preset(one, &err), -1);
    assert_non_null(strstr(err.text, "n=0"));
}

static void flag_forms(void **state)
{
    (void)state;
    assert_int_equal(
        flags("-fe5 --learning-rate=0.5 -d png:x --no-bias --optimizer sgd -t 2,3,4.5"), 0);
    assert_true(config.fast);
    assert_false(config.bias);
    assert_int_equal(config.epochs, 5);
    assert_true(config.rate == 0.5);
    assert_string_equal(config.data, "png:x");
    assert_int_equal(config.optimizer, 0);
    assert_int_equal(config.temperature.n, 3);
    assert_true(config.temperature.v[2] == 4.5);
    assert_int_equal(flags("--no-fast --bias --epochs 1e3 --any -12 --data= --epochs 6"), 0);
    assert_false(config.fast);
    assert_true(config.bias);
    assert_int_equal(config.epochs, 6);
    assert_int_equal(config.any, -12);
    assert_string_equal(config.data, "");
}

static void operands(void **state)
{
    (void)state;
    char text[] = "a --epochs 3 - b -- --epochs -x", *argv[WORDS];
    struct kd_args args;
    int argc = split(text, argv);
    assert_int_equal(kd_args_scan(&args, section, argc, argv, &err), 0);
    assert_int_equal(config.epochs, 20); /* scanning alone changes nothing */
    assert_int_equal(args.n_operands, 5);
    assert_string_equal(args.operands[1], "-");
    assert_string_equal(args.operands[3], "--epochs");
    assert_string_equal(args.operands[4], "-x");
    assert_true(kd_args_has(&args, "epochs"));
    assert_false(kd_args_has(&args, "data"));
    kd_args_release(&args);
}

static void idle_options(void **state)
{
    (void)state;
    char text[] = "--no-bias --epochs 3", *argv[WORDS];
    const struct kd_idle none[] = {{false, "epochs bias", "is never idle"},
                                   {true, "epoch bia data", "was not given"}};
    const struct kd_idle one[] = {{true, "data epochs", "goes with --list"}},
                         two[] = {{true, "bias", "is another's"}};
    struct kd_args args;
    int argc = split(text, argv);
    assert_int_equal(kd_args_scan(&args, section, argc, argv, &err), 0);
    assert_int_equal(kd_args_idle(&args, none, 2, &err), 0);
    assert_int_equal(kd_args_idle(&args, one, 1, &err), -1);
    assert_string_equal(err.text, "--epochs goes with --list");
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_int_equal(kd_args_idle(&args, two, 1, &err), -1);
    assert_string_equal(err.text, "--no-bias is another's");
    kd_args_release(&args);
}

static void flags_win_again(void **state)
{
    (void)state;
    char text[] = "--epochs 3 -m a -m b", *argv[WORDS];
    struct kd_args args;
    int argc = split(text, argv);
    assert_int_equal(kd_args_scan(&args, section, argc, argv, &err), 0);
    assert_int_equal(kd_args_apply(&args, &err), 0);
    assert_int_equal(json("{\"epochs\": 9, \"models\": [\"x\", \"y\", \"z\"], \"data\": \"d\"}"),
                     0);
    assert_int_equal(config.models.n, 3);
    assert_int_equal(config.epochs, 9);
    assert_int_equal(kd_args_apply(&args, &err), 0);
    assert_int_equal(config.epochs, 3);
    assert_int_equal(config.models.n, 2);
    assert_string_equal(config.models.v[0], "a");
    assert_string_equal(config.models.v[1], "b");
    assert_string_equal(config.data, "d");
    kd_args_release(&args);
}

static void network_words(void **state)
{
    (void)state;
    assert_int_equal(flags("--network mlp-800"), 0);
    assert_string_equal(config.network->valuestring, "mlp-800");
    assert_int_equal(flags("--network [\"relu\"]"), 0);
    assert_true(cJSON_IsArray(config.network));
    assert_int_equal(flags("--network 12"), 0);
    assert_true(cJSON_IsNumber(config.network));
    assert_int_equal(flags("--network {\"a\":"), -1);
    assert_non_null(strstr(err.text, "--network"));
    assert_int_equal(err.kind, KD_ERR_USAGE);
}

static void whole_numbers(void **state)
{
    (void)state;
    assert_int_equal(flags("--any 9007199254740992"), 0);
    assert_true(config.any == 9007199254740992);
    assert_int_equal(flags("--any -9007199254740992"), 0);
    refused("--any 9007199254740993", "--any=9007199254740993: expected a whole number");
    refused("--any 1e300", "--any=1e300: expected a whole number");
    refused("--any 2.5", "--any=2.5: expected a whole number");
    refused("--any 0x10", "--any=0x10: expected a whole number");
    refused("--any 5x", "--any=5x: expected a whole number");
    refused("--any=", "--any=: expected a whole number");
    refused("--epochs 0", "--epochs=0: expected a whole number from 1 to 1000000");
    refused("-e1000001", "--epochs=1000001: expected a whole number from 1 to 1000000");
}

static void real_numbers(void **state)
{
    (void)state;
    refused("-l nan", "--learning-rate=nan: expected a number of at least 1e-09");
    refused("-l inf", "--learning-rate=inf: expected a number of at least 1e-09");
    refused("-l 1e999", "--learning-rate=1e999: expected a number of at least 1e-09");
    refused("-l 1e", "--learning-rate=1e: expected a number of at least 1e-09");
    refused("-l 1.5.2", "--learning-rate=1.5.2: expected a number of at least 1e-09");
    refused("-t 1,2-",
            "--temperature=2-: expected a number from 0.01 to 10000, or a list of these");
    refused("-l 0", "--learning-rate=0: expected a number of at least 1e-09");
    refused("--momentum 1.5", "--momentum=1.5: expected a number from 0 to 1");
    refused("--momentum -1", "--momentum=-1: expected a number from 0 to 1");
    refused("-t 1,,2", "--temperature=: expected a number from 0.01 to 10000, or a list of these");
    refused("-t 1,0", "--temperature=0: expected a number from 0.01 to 10000, or a list of these");
    assert_true(config.rate == 0.1);
    assert_int_equal(config.temperature.n, 2);
}

static void mistyped_flags(void **state)
{
    (void)state;
    refused("--epoch 3", "--epoch: no such option; did you mean --epochs?");
    refused("--learning_rate=3", "--learning_rate: no such option; did you mean --learning-rate?");
    refused("--no-bais", "--no-bais: no such option; did you mean --no-bias?");
    refused("--no-epochs", "--no-epochs: no such option; did you mean --epochs?");
    refused("--zzzzzz", "--zzzzzz: no such option; --help lists them");
    refused("--hidden 3", "--hidden: no such option; --help lists them");
    refused("-z", "-z: no such option; --help lists them");
    refused("-data x", "-data: no such option; did you mean --data?");
    refused("--optimizer sdg", "--optimizer=sdg: expected sgd, adam or adamw; did you mean sgd?");
    refused("--optimizer zzzzzz", "--optimizer=zzzzzz: expected sgd, adam or adamw");
    refused("--epochs", "--epochs needs a value: --epochs N");
    refused("-e", "--epochs needs a value: --epochs N");
    refused("--data --fast", "--data needs a value but --fast follows; if that is the value write "
                             "--data=--fast");
    refused("--fast=1", "--fast=1: takes no value; write --fast or --no-fast");
}

static void hostile_flag(void **state)
{
    (void)state;
    char text[5000] = "--", *argv[2] = {text, text};
    struct kd_args args;
    memset(text + 2, 'a', sizeof text - 3);
    assert_int_equal(kd_args_scan(&args, section, 2, argv, &err), -1);
    assert_true(strlen(err.text) < 200);
    text[100] = '\n';
    assert_int_equal(kd_args_scan(&args, section, 2, argv, &err), -1);
    assert_null(strchr(err.text, '\n'));
}

static void json_values(void **state)
{
    (void)state;
    assert_int_equal(
        json("{\"fast\": true, \"epochs\": 3, \"learning_rate\": 1, \"data\": \"x\","
             "\"optimizer\": {\"kind\": \"adamw\", \"momentum\": 0.5}, \"temperature\": 7,"
             "\"models\": \"a\", \"network\": [1, {\"k\": 2}], \"hidden\": 8}"),
        0);
    assert_true(config.fast);
    assert_int_equal(config.epochs, 3);
    assert_int_equal(config.optimizer, 2);
    assert_true(config.momentum == 0.5);
    assert_int_equal(config.temperature.n, 1);
    assert_int_equal(config.models.n, 1);
    assert_int_equal(cJSON_GetArraySize(config.network), 2);
    assert_int_equal(config.hidden, 8);
    assert_int_equal(json("{\"optimizer\": \"sgd\", \"temperature\": [], \"models\": []}"), 0);
    assert_int_equal(config.optimizer, 0);
    assert_true(config.momentum == 0.5);
    assert_int_equal(config.temperature.n, 0);
    assert_int_equal(json("{\"optimizer\": null, \"temperature\": null, \"data\": null}"), 0);
    assert_int_equal(config.optimizer, ADAM);
    assert_true(config.momentum == 0.9);
    assert_int_equal(config.temperature.n, 2);
    assert_string_equal(config.data, "mnist");
}

static void json_wrong(void **state)
{
    (void)state;
    json_refused("{\"epoch\": 3}", "students.kd.train.epoch: no such key; did you mean epochs?");
    json_refused("{\"zzzzzz\": 3}", "students.kd.train.zzzzzz: no such key");
    json_refused("{\"optimizer\": {\"momentun\": 1}}",
                 "students.kd.train.optimizer.momentun: no such key; did you mean momentum?");
    json_refused("{\"optimizer\": 3}",
                 "students.kd.train.optimizer.kind=3: expected sgd, adam or adamw");
    json_refused(
        "{\"optimizer\": \"adm\"}",
        "students.kd.train.optimizer.kind=adm: expected sgd, adam or adamw; did you mean adam?");
    json_refused(
        "{\"optimizer.momentum\": 1}",
        "students.kd.train.\"optimizer.momentum\": dotted keys are for --set; nest objects here");
    json_refused("{\"epochs\": \"3\"}",
                 "students.kd.train.epochs=\"3\": expected a whole number from 1 to 1000000");
    json_refused("{\"epochs\": 2.5}",
                 "students.kd.train.epochs=2.5: expected a whole number from 1 to 1000000");
    json_refused("{\"fast\": 1}", "students.kd.train.fast=1: expected true or false");
    json_refused("{\"data\": [\"a\"]}", "students.kd.train.data=[\"a\"]: expected a text");
    json_refused("{\"models\": [\"a\", 1]}",
                 "students.kd.train.models=1: expected a text or a list of texts");
    json_refused("{\"temperature\": [1, 1e9]}",
                 "students.kd.train.temperature=1000000000: expected a "
                 "number from 0.01 to 10000, or a list of these");
    json_refused("[]", "students.kd.train: expected an object {...}");
    assert_string_equal(config.data, "mnist");
    assert_int_equal(config.models.n, 0);
    assert_int_equal(config.temperature.n, 2);
}

static void json_besides(void **state)
{
    (void)state;
    static const char *const besides[] = {"students", "teacher", NULL};
    assert_int_equal(json_with("{\"students\": 3, \"epochs\": 4}", besides), 0);
    assert_int_equal(config.epochs, 4);
    assert_int_equal(json_with("{\"studens\": 3}", besides), -1);
    assert_non_null(strstr(err.text, "did you mean students?"));
    /* besides are known at the top alone */
    assert_int_equal(json_with("{\"optimizer\": {\"students\": 3}}", besides), -1);
}

static void json_round_trip(void **state)
{
    (void)state;
    assert_int_equal(flags("-f -e 7 -m a -m b --optimizer sgd --network [1,2] -t 0.5"), 0);
    cJSON *first = kd_opts_to_json(section, &err);
    assert_non_null(first);
    assert_int_equal(kd_json_get(first, "epochs")->valueint, 7);
    assert_string_equal(kd_json_get(first, "optimizer.kind")->valuestring, "sgd");
    assert_true(kd_json_get(first, "optimizer.momentum")->valuedouble == 0.9);
    kd_opts_release(section);
    assert_int_equal(kd_opts_preset(section, &err), 0);
    assert_int_equal(kd_opts_from_json(section, first, NULL, NULL, &err), 0);
    assert_int_equal(config.epochs, 7);
    cJSON *second = kd_opts_to_json(section, &err);
    assert_true(cJSON_Compare(first, second, true));
    cJSON_Delete(first);
    cJSON_Delete(second);
}

static void help_lines(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    kd_opts_help(section, 60, to);
    assert_int_equal(fclose(to), 0);
    assert_ptr_equal(strstr(text, "Training:\n  -f, --fast"), text);
    assert_non_null(strstr(text, "      --no-bias "));
    assert_non_null(strstr(text, "  -e, --epochs N           passes over the data (default 20)\n"));
    assert_non_null(strstr(text, "      --optimizer KIND     rule: sgd, adam, adamw (default\n"
                                 "                           adam)\n"));
    assert_null(strstr(text, "hidden"));
    for (const char *p = text; *p; p += strcspn(p, "\n") + 1) assert_true(strcspn(p, "\n") <= 60);
    free(text);
}

/* Choices and enum are one list; both ways of it. */
static void choices(void **state)
{
    (void)state;
    const char *const *rules = KD_CHOICES(RULES);
    assert_string_equal(kd_choice_name(rules, ADAMW), "adamw");
    assert_null(kd_choice_name(rules, ADAMW + 1));
    assert_null(kd_choice_name(rules, -1));
    assert_int_equal(kd_choice_index(rules, "sgd"), SGD);
    assert_int_equal(kd_choice_index(rules, "sg"), -1);
}

/* Sections are found by name, and one may take a part of a table: the rest of it is not there. */
static void part_of_a_table(void **state)
{
    (void)state;
    struct config own = {0};
    struct kd_args args;
    char *argv[] = {(char[]){"test"}, (char[]){"--data"}, (char[]){"mnist"}};
    const struct kd_opt_section parts[] = {
        {"none", "None", rows, &own, ""}, {"part", "Part", rows, &own, "epochs any"}, {0}};
    const struct kd_opt_section *part = kd_opts_section(parts, "part");
    assert_ptr_equal(part, &parts[1]);
    assert_null(kd_opt_next(&parts[0], NULL));
    const struct kd_option *row = kd_opt_next(part, NULL);
    assert_string_equal(row->flag, "epochs");
    assert_string_equal(kd_opt_next(part, row)->flag, "any");
    assert_null(kd_opt_next(part, kd_opt_next(part, row)));
    assert_int_equal(kd_opts_preset(parts, &err), 0);
    assert_int_equal(own.epochs, 20);
    assert_null(own.data); /* its default is "mnist" */
    assert_int_equal(kd_args_scan(&args, parts, 3, argv, &err), -1);
    kd_opts_release(parts);
}

int main(void)
{
#define KD_CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        KD_CASE(presets),       KD_CASE(bad_preset),       KD_CASE(flag_forms),
        KD_CASE(operands),      KD_CASE(flags_win_again),  KD_CASE(network_words),
        KD_CASE(whole_numbers), KD_CASE(real_numbers),     KD_CASE(mistyped_flags),
        KD_CASE(hostile_flag),  KD_CASE(json_values),      KD_CASE(json_wrong),
        KD_CASE(json_besides),  KD_CASE(json_round_trip),  KD_CASE(help_lines),
        KD_CASE(idle_options),  cmocka_unit_test(choices), cmocka_unit_test(part_of_a_table),
    };
    return cmocka_run_group_tests_name("option", tests, NULL, NULL);
}
