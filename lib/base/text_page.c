/* Help texts for narrow terminals. */
#include "kd/base/text.h"

#include <string.h>

enum { INDENT = 6 /* of what goes on from the line before */ };

/* One line, without its end. */
struct line {
    const char *text;
    size_t size;
};

static struct line next_line(const char **text)
{
    struct line line = {*text, strcspn(*text, "\n")};
    *text += line.size + ((*text)[line.size] == '\n');
    return line;
}

static bool in_paragraph(const char *text)
{
    return *text && *text != '\n' && *text != ' ';
}

/* Lines without an indent, up to an empty or an indented one, as one text filled anew. */
static int put_paragraph(struct kd_bytes *out, const char **text, size_t width, struct kd_err *err)
{
    struct kd_bytes words = {0};
    int status = 0;
    while (in_paragraph(*text) && status == 0) {
        struct line line = next_line(text);
        status = kd_bytes_format(&words, err, "%s%.*s", words.size ? " " : "", (int)line.size,
                                 line.text);
    }
    if (status == 0) status = kd_text_wrap(out, words.data, 0, width, err);
    kd_bytes_release(&words);
    return status;
}

/* Where a command's line may end, with room for a backslash: before an option where there is one,
 * or else at the last space; all of it where it fits. */
static size_t command_piece(const char *text, size_t size, size_t width)
{
    size_t good = 0, option = 0;
    if (size <= width) return size;
    for (size_t i = 1; i + 1 < size && (i + 2 <= width || !good); i++) {
        if (text[i] != ' ' || text[i - 1] == ' ') continue;
        good = i;
        if (text[i + 1] == '-' || strchr("|&", text[i - 1])) option = i;
    }
    return option > width / 2 ? option : good ? good : size;
}

/* A command over several lines as a shell takes them. */
static int put_command(struct kd_bytes *out, struct line command, size_t indent, size_t width,
                       struct kd_err *err)
{
    while (command.size) {
        const size_t room = width > indent ? width - indent : 1;
        size_t n = command_piece(command.text, command.size, room);
        const bool last = n == command.size,
                   goes_on = n && strchr("|&", command.text[n - 1]); /* without a backslash */
        if (kd_bytes_format(out, err, "%*s%.*s%s\n", (int)indent, "", (int)n, command.text,
                            last || goes_on ? "" : " \\") < 0)
            return -1;
        while (n < command.size && command.text[n] == ' ') n++;
        command = (struct line){command.text + n, command.size - n};
        indent = INDENT;
    }
    return 0;
}

/* What is said of a command, in the column where it stands, or below the command where that column
 * is far to the right. */
static int put_comment(struct kd_bytes *out, struct line comment, size_t column, size_t width,
                       struct kd_err *err)
{
    struct kd_bytes lines = {0};
    const bool below = column > width / 2;
    char *words = kd_format(err, "%.*s", (int)comment.size, comment.text);
    int status = words ? kd_text_wrap(&lines, words, below ? INDENT : column, width, err) : -1;
    const size_t skip = below ? 0 : column;
    if (status == 0) status = kd_bytes_add(out, lines.data + skip, lines.size - skip, err);
    kd_bytes_release(&lines);
    kd_free(words);
    return status;
}

/* An indented line: a command, and behind two spaces or more what is said of it. */
static int put_indented(struct kd_bytes *out, struct line line, size_t width, struct kd_err *err)
{
    size_t indent = 0, end, about;
    if (line.size <= width) return kd_bytes_format(out, err, "%.*s\n", (int)line.size, line.text);
    while (indent < line.size && line.text[indent] == ' ') indent++;
    for (end = indent; end + 1 < line.size; end++)
        if (line.text[end] == ' ' && line.text[end + 1] == ' ') break;
    if (end + 1 >= line.size) end = line.size;
    for (about = end; about < line.size && line.text[about] == ' ';) about++;
    const struct line command = {line.text + indent, end - indent},
                      comment = {line.text + about, line.size - about};
    if (comment.size && about <= width / 2)
        return kd_bytes_format(out, err, "%.*s", (int)about, line.text) < 0
                   ? -1
                   : put_comment(out, comment, about, width, err);
    if (put_command(out, command, indent, width, err) < 0) return -1;
    return comment.size ? put_comment(out, comment, about, width, err) : 0;
}

int kd_text_page(struct kd_bytes *out, const char *text, size_t width, struct kd_err *err)
{
    int status = 0;
    while (*text && status == 0) {
        if (in_paragraph(text)) {
            status = put_paragraph(out, &text, width, err);
            continue;
        }
        struct line line = next_line(&text);
        status = put_indented(out, line, width, err);
    }
    return status;
}
