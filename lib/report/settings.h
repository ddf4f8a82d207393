/* Whether two models were trained with the same settings. */
#ifndef KD_REPORT_SETTINGS_H
#define KD_REPORT_SETTINGS_H
#include <cjson/cJSON.h>
#include <stdbool.h>

enum { KD_SETTING_NAME = 128 };
/* Compares configurations as model files (kd.config) and a resolved experiment have them: a model's
 * network, data, train, distill and correct. Its names and seed, and how often checkpoints are
 * written, do not count; neither does an option that only one of them has, as files of an older kd
 * lack the newer ones. True where they differ; `first` then names the first option, as
 * "train.epochs". */
bool kd_settings_differ(const cJSON *a, const cJSON *b, char first[KD_SETTING_NAME]);
#endif
