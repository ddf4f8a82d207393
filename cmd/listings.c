#include "listings.h"
#include "kd/base/mem.h"
#include "kd/base/terminal.h"
#include "kd/base/text.h"
#include "kd/nn/network.h"
#include "kd/train/config.h"
#include "kd/train/loss.h"

#include <string.h>
#include <unistd.h>

enum { LOSS = 8, NETWORK = 47 }; /* columns of what stands before a description */

/* On a terminal lines that are too long for it are folded, behind the spaces that they begin with
 * or `names` columns. */
static int print_lines(const char *text, size_t names, struct kd_err *err)
{
    const size_t columns = kd_terminal_columns(STDOUT_FILENO);
    struct kd_bytes out = {0};
    int status = 0;
    if (columns < 40) return kd_print(err, "%s", text);
    while (*text && status == 0) {
        const size_t length = strcspn(text, "\n"), own = strspn(text, " "),
                     indent = own ? own : names;
        const size_t start = length < indent ? length : indent, at = out.size;
        char *line = kd_format(err, "%.*s", (int)(length - start), text + start);
        status = line ? kd_text_wrap(&out, line, indent, columns, err) : -1;
        if (status == 0 && out.size > at) memcpy(out.data + at, text, start);
        kd_free(line);
        text += length + (text[length] == '\n');
    }
    if (status == 0) status = kd_print(err, "%s", out.data ? out.data : "");
    kd_bytes_release(&out);
    return status;
}

static int print_list(int (*make)(struct kd_bytes *, struct kd_err *), size_t names,
                      struct kd_err *err)
{
    struct kd_bytes text = {0};
    int status = make(&text, err);
    if (status == 0) status = print_lines(text.data, names, err);
    kd_bytes_release(&text);
    return status < 0 ? -1 : 1;
}

static bool is_question(const cJSON *json)
{
    return cJSON_IsString(json) && strcmp(json->valuestring, "?") == 0;
}

int listings_print(const struct kd_invocation *inv, const cJSON *network, bool student,
                   struct kd_err *err)
{
    struct kd_distill_config d;
    const struct kd_opt_section s[] = {{"distill", "", kd_distill_rows, &d, NULL}, {0}};
    if (student) {
        int status = kd_opts_preset(s, err) == 0 ? kd_args_put(&inv->args, s, err) : -1;
        const bool losses = status == 0 && is_question(d.loss);
        kd_opts_release(s);
        if (status < 0) return -1;
        if (losses) return print_list(kd_loss_list, LOSS, err);
    }
    return is_question(network) ? print_list(kd_network_list, NETWORK, err) : 0;
}
