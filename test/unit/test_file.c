#include "kd/base/file.h"
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static struct kd_err err;

static void expect_content(const char *path, const char *content)
{
    struct kd_bytes b;
    assert_int_equal(kd_file_read(path, 1000, &b, &err), 0);
    assert_int_equal(b.size, strlen(content));
    assert_string_equal(b.data, content); /* also that a NUL stands behind it */
    kd_bytes_release(&b);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    const char *path = in_scratch("a");
    assert_int_equal(kd_file_write(path, "first", 5, &err), 0);
    expect_content(path, "first");
    assert_int_equal(kd_file_write(path, "", 0, &err), 0);
    expect_content(path, "");
    assert_int_equal(scratch_entries(), 1);
}

static void limit_is_exact(void **state)
{
    (void)state;
    const char *path = in_scratch("a");
    struct kd_bytes b;
    assert_int_equal(kd_file_write(path, "12345", 5, &err), 0);
    assert_int_equal(kd_file_read(path, 5, &b, &err), 0);
    kd_bytes_release(&b);
    assert_int_equal(kd_file_read(path, 4, &b, &err), -1);
    assert_null(b.data);
    assert_says(err, path);
    assert_says(err, "larger than the 4 bytes");
}

static void unreadable_is_told(void **state)
{
    (void)state;
    struct kd_bytes b;
    assert_int_equal(kd_file_read(in_scratch("missing"), 10, &b, &err), -1);
    assert_says(err, "/missing: there is no such file");
    assert_int_equal(kd_file_read(scratch, 10, &b, &err), -1);
    assert_says(err, "is a folder");
    assert_int_equal(kd_file_read("", 10, &b, &err), -1);
    assert_int_equal(err.kind, KD_ERR_USAGE);
}

/* A pipe has no size, comes in pieces, and its reads are interrupted by signals. */
static void nothing(int number)
{
    (void)number;
}

static void pipe_is_read_whole_despite_signals(void **state)
{
    (void)state;
    const char *path = in_scratch("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    struct sigaction action = {.sa_handler = nothing}; /* without SA_RESTART */
    sigaction(SIGUSR1, &action, NULL);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY);
        char piece[5000];
        memset(piece, 'x', sizeof piece);
        for (int i = 0; i < 40; i++) {
            kill(getppid(), SIGUSR1);
            if (i % 10 == 0) nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            if (write(fd, piece, sizeof piece) != sizeof piece) _exit(1);
        }
        _exit(0);
    }
    struct kd_bytes b;
    assert_int_equal(kd_file_read(path, 1 << 20, &b, &err), 0);
    assert_int_equal(b.size, 200000);
    for (size_t i = 0; i < b.size; i++) assert_int_equal(b.data[i], 'x');
    kd_bytes_release(&b);
    int status;
    while (waitpid(child, &status, 0) < 0) assert_int_equal(errno, EINTR);
    assert_int_equal(status, 0);
}

static void endless_input_stops_at_the_limit(void **state)
{
    (void)state;
    struct kd_bytes b;
    assert_int_equal(kd_file_read("/dev/zero", 300000, &b, &err), -1);
    assert_says(err, "/dev/zero: larger than the 300000 bytes");
}

static void standard_input_is_read_once(void **state)
{
    (void)state;
    assert_int_equal(kd_file_write(in_scratch("in"), "piped", 5, &err), 0);
    int old = dup(STDIN_FILENO), in = open(in_scratch("in"), O_RDONLY);
    assert_int_equal(dup2(in, STDIN_FILENO), STDIN_FILENO);
    close(in);
    expect_content("-", "piped");
    struct kd_bytes b;
    int second = kd_file_read("-", 10, &b, &err);
    if (old >= 0) dup2(old, STDIN_FILENO);
    close(old);
    assert_int_equal(second, -1);
    assert_int_equal(err.kind, KD_ERR_USAGE);
    assert_says(err, "only once");
}

static void standard_output_gets_what_is_written(void **state)
{
    (void)state;
    int old = dup(STDOUT_FILENO);
    fflush(stdout);
    int to = open(in_scratch("out"), O_WRONLY | O_CREAT, 0600);
    dup2(to, STDOUT_FILENO);
    close(to);
    int status = kd_file_write("-", "text", 4, &err);
    bool open_still = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    dup2(old, STDOUT_FILENO);
    close(old);
    assert_int_equal(status, 0);
    assert_true(open_still);
    expect_content(in_scratch("out"), "text");
}

static void discarded_writing_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = in_scratch("a");
    struct kd_outfile f;
    assert_int_equal(kd_file_write(path, "old", 3, &err), 0);
    assert_int_equal(kd_outfile_open(&f, path, &err), 0);
    assert_int_equal(kd_outfile_write(&f, "new", 3, &err), 0);
    expect_content(path, "old"); /* readers see the old one until commit */
    assert_int_equal(scratch_entries(), 2);
    kd_outfile_discard(&f);
    kd_outfile_discard(&f);
    expect_content(path, "old");
    assert_int_equal(scratch_entries(), 1);
}

static void failing_write_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = in_scratch("a");
    struct kd_outfile f;
    assert_int_equal(kd_file_write(path, "old", 3, &err), 0);
    assert_int_equal(kd_outfile_open(&f, path, &err), 0);
    int full = open("/dev/full", O_WRONLY); /* as if the disk had no room from here on */
    assert_true(full >= 0);
    dup2(full, f.fd);
    close(full);
    assert_int_equal(kd_outfile_write(&f, "new", 3, &err), -1);
    assert_says(err, path);
    assert_says(err, "No space left");
    kd_outfile_discard(&f);
    expect_content(path, "old");
    assert_int_equal(scratch_entries(), 1);
}

static void failing_commit_leaves_the_old_file(void **state)
{
    (void)state;
    const char *path = in_scratch("a");
    struct kd_outfile f;
    assert_int_equal(kd_file_write(path, "old", 3, &err), 0);
    assert_int_equal(kd_outfile_open(&f, path, &err), 0);
    assert_int_equal(kd_outfile_write(&f, "new", 3, &err), 0);
    close(f.fd); /* so that sync and close fail */
    assert_int_equal(kd_outfile_commit(&f, &err), -1);
    assert_says(err, path);
    expect_content(path, "old");
    assert_int_equal(scratch_entries(), 1);
}

static void full_disk_is_told(void **state)
{
    (void)state;
    assert_int_equal(kd_file_write("/dev/full", "x", 1, &err), -1);
    assert_says(err, "/dev/full: cannot write: No space left on device");
    struct stat st;
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode)); /* written in place, not replaced */
}

static void unwritable_places_are_told(void **state)
{
    (void)state;
    assert_int_equal(kd_file_write(scratch, "x", 1, &err), -1);
    assert_says(err, "is a folder");
    assert_int_equal(kd_file_write(in_scratch("new/"), "x", 1, &err), -1);
    assert_says(err, "names a folder");
    assert_int_equal(scratch_entries(), 0);
    assert_int_equal(kd_file_write(in_scratch("a"), "x", 1, &err), 0);
    assert_int_equal(kd_file_write(in_scratch("a/b"), "x", 1, &err), -1);
    assert_says(err, "/a: is a file, and a folder is needed here");
    assert_int_equal(kd_file_write("", "x", 1, &err), -1);
}

/* Root may write anywhere, so a child gives up being root for this. */
static void read_only_folder_is_told(void **state)
{
    (void)state;
    assert_int_equal(kd_file_write(in_scratch("a"), "old", 3, &err), 0);
    assert_int_equal(chmod(scratch, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0) _exit(10);
        if (kd_file_write(in_scratch("b"), "x", 1, &err) == 0) _exit(11);
        if (!strstr(err.text, "/b: cannot make a file in folder")) _exit(12);
        if (!strstr(err.text, "Permission denied")) _exit(13);
        if (kd_file_write(in_scratch("a"), "x", 1, &err) == 0) _exit(14);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    chmod(scratch, 0755);
    assert_int_equal(WEXITSTATUS(status), 0);
    expect_content(in_scratch("a"), "old");
    assert_int_equal(scratch_entries(), 1);
}

static void folders_above_are_made(void **state)
{
    (void)state;
    const char *path = in_scratch("x/y/z");
    assert_int_equal(kd_file_write(path, "deep", 4, &err), 0);
    expect_content(path, "deep");
    assert_int_equal(kd_folders_make(in_scratch("x/y"), &err), 0); /* exists: fine */
    unlink(path);
    rmdir(in_scratch("x/y"));
    rmdir(in_scratch("x"));
}

static void links_and_permissions_are_kept(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(kd_file_write(in_scratch("a"), "old", 3, &err), 0);
    assert_int_equal(chmod(in_scratch("a"), 0640), 0);
    assert_int_equal(symlink("a", in_scratch("link")), 0);
    assert_int_equal(kd_file_write(in_scratch("link"), "new", 3, &err), 0);
    expect_content(in_scratch("a"), "new");
    assert_int_equal(lstat(in_scratch("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(in_scratch("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void new_files_follow_the_umask(void **state)
{
    (void)state;
    struct stat st;
    mode_t old = umask(027);
    assert_int_equal(kd_file_write(in_scratch("a"), "x", 1, &err), 0);
    umask(old);
    assert_int_equal(stat(in_scratch("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void abandoning_removes_every_temporary(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct kd_outfile f, g;
        if (kd_outfile_open(&f, in_scratch("a"), &err) < 0) _exit(1);
        if (kd_outfile_open(&g, in_scratch("b"), &err) < 0) _exit(2);
        if (scratch_entries() != 2) _exit(3);
        kd_outfile_abandon_all();
        _exit(scratch_entries() == 0 ? 0 : 4);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(scratch_entries(), 0);
}

static int entries_of(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.' || e->d_name[1] == 'k';
    if (dir) closedir(dir);
    return n;
}

/* Between the making of a file and its lock it looks like a leaving; whoever sweeps then takes it,
 * and the writer makes another. */
static void sweeping_and_writing_at_once(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        for (;;) kd_leftovers_remove(scratch, 0);
    int failed = 0;
    for (int i = 0; i < 300; i++) {
        failed += kd_file_write(in_scratch("a"), "x", 1, &err) < 0;
        char *folder = kd_folder_begin(in_scratch("f"), &err);
        failed += !folder || kd_folder_commit(folder, in_scratch("f"), &err) < 0;
        kd_free(folder);
        rmdir(in_scratch("f"));
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(failed, 0);
    unlink(in_scratch("a"));
    assert_int_equal(scratch_entries(), 0);
}

/* However young, and however deep within what was asked for; not what somebody holds. */
static void leavings_go(void **state)
{
    (void)state;
    struct kd_outfile held;
    assert_int_equal(kd_folders_make(in_scratch("x/y"), &err), 0);
    fclose(fopen(in_scratch("x/.kd-1-00000000000000001.tmp"), "w"));
    fclose(fopen(in_scratch("x/y/.kd-2-00000000000000001.tmp"), "w"));
    assert_int_equal(symlink("x", in_scratch("link")), 0);
    assert_int_equal(kd_outfile_open(&held, in_scratch("x/held"), &err), 0);
    kd_leftovers_remove(in_scratch("link"), 0);       /* the folder that was named */
    assert_int_equal(entries_of(in_scratch("x")), 2); /* y, and what is held */
    kd_leftovers_remove(scratch, 1);
    assert_int_equal(entries_of(in_scratch("x/y")), 1);
    kd_leftovers_remove(scratch, 2);
    assert_int_equal(entries_of(in_scratch("x/y")), 0);
    kd_outfile_discard(&held);
    rmdir(in_scratch("x/y"));
    rmdir(in_scratch("x"));
    unlink(in_scratch("link"));
}

static void many_files_at_once(void **state)
{
    (void)state;
    struct kd_outfile f[65];
    int made = 0;
    while (made < 65 && kd_outfile_open(&f[made], in_scratch("same"), &err) == 0) made++;
    assert_int_equal(made, 64);
    assert_says(err, "64 files");
    for (int i = 0; i < made; i++) kd_outfile_discard(&f[i]);
    assert_int_equal(scratch_entries(), 0);
}

static void paths_are_joined(void **state)
{
    (void)state;
    const char *cases[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
    for (unsigned i = 0; i < 4; i++) {
        char *path = kd_path_join(&err, cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        kd_free(path);
    }
    assert_true(kd_path_exists(scratch));
    assert_false(kd_path_exists(in_scratch("missing")));
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_is_written_is_read),
        IN_SCRATCH(limit_is_exact),
        IN_SCRATCH(unreadable_is_told),
        IN_SCRATCH(pipe_is_read_whole_despite_signals),
        cmocka_unit_test(endless_input_stops_at_the_limit),
        IN_SCRATCH(standard_input_is_read_once),
        IN_SCRATCH(standard_output_gets_what_is_written),
        IN_SCRATCH(discarded_writing_leaves_the_old_file),
        IN_SCRATCH(failing_write_leaves_the_old_file),
        IN_SCRATCH(failing_commit_leaves_the_old_file),
        cmocka_unit_test(full_disk_is_told),
        IN_SCRATCH(unwritable_places_are_told),
        IN_SCRATCH(read_only_folder_is_told),
        IN_SCRATCH(folders_above_are_made),
        IN_SCRATCH(links_and_permissions_are_kept),
        IN_SCRATCH(new_files_follow_the_umask),
        IN_SCRATCH(abandoning_removes_every_temporary),
        IN_SCRATCH(leavings_go),
        IN_SCRATCH(sweeping_and_writing_at_once),
        IN_SCRATCH(many_files_at_once),
        IN_SCRATCH(paths_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
