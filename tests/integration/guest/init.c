/*
 * The init, and only program, of the tiny test guest: answers the QEMU guest agent protocol.
 *
 * Copyright (c) the golden.libvirt developers
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Kernel command line:
 *   golden.agent=on|off            off: the virtio port is never opened
 *   golden.fsfreeze=ok|refuse|hang refuse: an error; hang: no answer, ever
 *   golden.shutdown=ok|ignore      ignore: neither agent nor power button turns the guest off
 *   golden.delay=SECONDS           wait before the agent comes up
 * README.md beside this file lists the commands.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/input.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_NAME "org.qemu.guest_agent.0"
#define LINE_MAX_BYTES (1 << 20)
#define DATA_MAX_BYTES (128 << 10)
#define BUTTONS_MAX 8

struct guest {
    const char *fsfreeze, *shutdown;
    bool agent, frozen;
    unsigned delay, freezes, thaws;
    char remembered[4096];
} guest = {.fsfreeze = "ok", .shutdown = "ok", .agent = true};

static char cmdline[4096];

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("golden-tiny: ");
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
    va_end(args);
}

/* ---- JSON, as much of it as the protocol needs -------------------------------------------------------------- */

/* The text after the string that starts at `at` (which points at its opening quote). */
static const char *after_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

static const char *skip_space(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* The value of the first key of that name at any depth, or NULL. */
static const char *value_of(const char *json, const char *key)
{
    size_t length = strlen(key);

    while (*json) {
        if (*json != '"') {
            json++;
            continue;
        }
        const char *end = after_string(json), *next = skip_space(end);
        bool is_key = *next == ':';
        if (is_key && (size_t)(end - json) == length + 2 && !strncmp(json + 1, key, length))
            return skip_space(next + 1);
        json = is_key ? next + 1 : end;
    }
    return NULL;
}

/* Decodes the string value of a key into `out`; its length, or -1 where there is none. */
static int string_of(const char *json, const char *key, char *out, size_t size)
{
    const char *at = value_of(json, key);
    size_t length = 0;

    if (!at || *at++ != '"')
        return -1;
    for (; *at && *at != '"' && length + 1 < size; at++) {
        unsigned char byte = *at;
        if (byte == '\\' && *++at) {
            unsigned code;
            switch (*at) {
            case 'n': byte = '\n'; break;
            case 't': byte = '\t'; break;
            case 'r': byte = '\r'; break;
            case 'b': byte = '\b'; break;
            case 'f': byte = '\f'; break;
            case 'u':
                if (sscanf(at + 1, "%4x", &code) != 1)
                    return -1;
                byte = code;
                at += 4;
                break;
            default: byte = *at;
            }
        }
        out[length++] = byte;
    }
    out[length] = 0;
    return length;
}

static long long number_of(const char *json, const char *key, long long otherwise)
{
    const char *at = value_of(json, key);

    return at ? strtoll(at, NULL, 10) : otherwise;
}

static void print_string(FILE *out, const void *data, size_t length)
{
    const unsigned char *bytes = data;

    fputc('"', out);
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            fprintf(out, "\\%c", bytes[i]);
        else if (bytes[i] < 0x20 || bytes[i] > 0x7e)
            fprintf(out, "\\u%04x", bytes[i]);
        else
            fputc(bytes[i], out);
    }
    fputc('"', out);
}

/* ---- disks ---------------------------------------------------------------------------------------------------- */

/* A command prints what belongs after "return": and gives NULL, or gives the text of an error. */
static char problem[256];

static const char *failed(const char *doing)
{
    snprintf(problem, sizeof problem, "%s: %s", doing, strerror(errno));
    return problem;
}

/* Opens the disk that the request names, past the cache, and finds the bounds; -1 with `problem` set. */
static int open_disk(const char *request, int flags, uint64_t *offset, uint64_t *length)
{
    char disk[32], path[64];
    uint64_t size = 0;

    if (string_of(request, "disk", disk, sizeof disk) < 0 || strchr(disk, '/')) {
        snprintf(problem, sizeof problem, "no disk is named");
        return -1;
    }
    snprintf(path, sizeof path, "/dev/%s", disk);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0) {
        failed(path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    ioctl(fd, BLKFLSBUF, 0);
    *offset = number_of(request, "offset", 0);
    *length = number_of(request, "length", size - *offset);
    if (*offset > size || *length > size - *offset) {
        snprintf(problem, sizeof problem, "%s has only %llu bytes", path, (unsigned long long)size);
        close(fd);
        return -1;
    }
    return fd;
}

static const char *disk_write(const char *request, FILE *out)
{
    static char text[DATA_MAX_BYTES], block[1 << 20];
    uint64_t offset, limit;
    int length = string_of(request, "text", text, sizeof text);

    if (length <= 0)
        return "no text is given";
    if (guest.frozen)
        return "the file systems are frozen";
    int fd = open_disk(request, O_RDWR, &offset, &limit);
    if (fd < 0)
        return problem;
    /* golden-write writes the text once, golden-fill repeats it over `length` bytes */
    uint64_t total = value_of(request, "length") ? limit : (uint64_t)length;
    const char *error = NULL;
    for (uint64_t done = 0; done < total && !error;) {
        size_t now = total - done < sizeof block ? total - done : sizeof block;
        for (size_t i = 0; i < now; i++)
            block[i] = text[(done + i) % length];
        ssize_t wrote = pwrite(fd, block, now, offset + done);
        if (wrote <= 0)
            error = failed("write");
        else
            done += wrote;
    }
    if (!error && fsync(fd) < 0)
        error = failed("fsync");
    close(fd);
    fprintf(out, "{\"written\":%llu}", (unsigned long long)total);
    return error;
}

static const char *disk_read(const char *request, FILE *out)
{
    static char data[DATA_MAX_BYTES];
    uint64_t offset, length;
    int fd = open_disk(request, O_RDONLY, &offset, &length);

    if (fd < 0)
        return problem;
    if (length > sizeof data)
        length = sizeof data;
    ssize_t got = pread(fd, data, length, offset);
    const char *error = got < 0 ? failed("read") : NULL;
    close(fd);
    if (!error) {
        fprintf(out, "{\"text\":");
        print_string(out, data, got);
        fprintf(out, "}");
    }
    return error;
}

/* FNV-1a, 64 bits: enough to tell whether bytes differ. */
static const char *disk_sum(const char *request, FILE *out)
{
    static unsigned char data[1 << 20];
    uint64_t offset, length, sum = 0xcbf29ce484222325;
    int fd = open_disk(request, O_RDONLY, &offset, &length);
    const char *error = NULL;

    if (fd < 0)
        return problem;
    for (uint64_t done = 0; done < length && !error;) {
        ssize_t got = pread(fd, data, length - done < sizeof data ? length - done : sizeof data, offset + done);
        if (got <= 0)
            error = failed("read");
        for (ssize_t i = 0; i < got; i++)
            sum = (sum ^ data[i]) * 0x100000001b3;
        done += got;
    }
    close(fd);
    fprintf(out, "{\"fnv1a64\":\"%016llx\"}", (unsigned long long)sum);
    return error;
}

static int count_disks(FILE *out)
{
    DIR *directory = opendir("/sys/block");
    struct dirent *entry;
    int count = 0;

    while (directory && (entry = readdir(directory))) {
        char path[300];
        uint64_t size = 0;
        if (entry->d_name[0] == '.' || !strncmp(entry->d_name, "loop", 4) || !strncmp(entry->d_name, "ram", 3))
            continue;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        ioctl(fd, BLKGETSIZE64, &size);
        close(fd);
        if (out)
            fprintf(out, "%s\"%s\":%llu", count ? "," : "", entry->d_name, (unsigned long long)size);
        count++;
    }
    if (directory)
        closedir(directory);
    return count;
}

/* ---- the agent's commands --------------------------------------------------------------------------------------- */

static void power_off(int how)
{
    sync();
    say("power off");
    reboot(how);
}

static const char *silence = "silence"; /* no answer at all */

static const char *cmd_nothing(const char *request, FILE *out)
{
    (void)request;
    fprintf(out, "{}");
    return NULL;
}

static const char *cmd_sync(const char *request, FILE *out)
{
    fprintf(out, "%lld", number_of(request, "id", 0));
    return NULL;
}

static const char *cmd_host_name(const char *request, FILE *out)
{
    (void)request;
    fprintf(out, "{\"host-name\":\"golden-tiny\"}");
    return NULL;
}

static const char *cmd_get_time(const char *request, FILE *out)
{
    struct timespec now;

    (void)request;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out, "%lld", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    return NULL;
}

static const char *cmd_set_time(const char *request, FILE *out)
{
    long long wanted = number_of(request, "time", 0);
    struct timespec now = {wanted / 1000000000, wanted % 1000000000};

    if (wanted && clock_settime(CLOCK_REALTIME, &now) < 0)
        return failed("clock_settime");
    return cmd_nothing(request, out);
}

static const char *freeze_or_thaw(FILE *out, bool freeze)
{
    if (!strcmp(guest.fsfreeze, "hang"))
        return silence;
    if (!strcmp(guest.fsfreeze, "refuse"))
        return "fsfreeze hook has failed with status 1";
    bool change = guest.frozen != freeze;
    if (change && freeze)
        sync();
    guest.frozen = freeze;
    guest.freezes += change && freeze;
    guest.thaws += change && !freeze;
    fprintf(out, "%d", change ? count_disks(NULL) : 0);
    say(freeze ? "frozen" : "thawed");
    return NULL;
}

static const char *cmd_freeze(const char *request, FILE *out)
{
    (void)request;
    return freeze_or_thaw(out, true);
}

static const char *cmd_thaw(const char *request, FILE *out)
{
    (void)request;
    return freeze_or_thaw(out, false);
}

static const char *cmd_freeze_status(const char *request, FILE *out)
{
    (void)request;
    fprintf(out, "\"%s\"", guest.frozen ? "frozen" : "thawed");
    return NULL;
}

static const char *cmd_shutdown(const char *request, FILE *out)
{
    char mode[16] = "powerdown";

    (void)out;
    string_of(request, "mode", mode, sizeof mode);
    if (!strcmp(guest.shutdown, "ok"))
        power_off(!strcmp(mode, "reboot") ? RB_AUTOBOOT : !strcmp(mode, "halt") ? RB_HALT_SYSTEM : RB_POWER_OFF);
    return silence;
}

/* Kept in memory only: tells whether a snapshot's memory came back. */
static const char *cmd_remember(const char *request, FILE *out)
{
    if (string_of(request, "text", guest.remembered, sizeof guest.remembered) < 0)
        return "no text is given";
    return cmd_nothing(request, out);
}

static const char *cmd_state(const char *request, FILE *out)
{
    struct timespec up;

    (void)request;
    clock_gettime(CLOCK_MONOTONIC, &up);
    fprintf(out, "{\"frozen\":%s,\"freezes\":%u,\"thaws\":%u,\"uptime\":%lld,\"remembered\":",
            guest.frozen ? "true" : "false", guest.freezes, guest.thaws, (long long)up.tv_sec);
    print_string(out, guest.remembered, strlen(guest.remembered));
    fprintf(out, ",\"disks\":{");
    count_disks(out);
    fprintf(out, "},\"cmdline\":");
    print_string(out, cmdline, strcspn(cmdline, "\n"));
    fprintf(out, "}");
    return NULL;
}

static const char *cmd_info(const char *request, FILE *out);

static const struct command {
    const char *name;
    const char *(*run)(const char *request, FILE *out);
} commands[] = {
    {"guest-sync", cmd_sync},
    {"guest-sync-delimited", cmd_sync},
    {"guest-ping", cmd_nothing},
    {"guest-info", cmd_info},
    {"guest-get-host-name", cmd_host_name},
    {"guest-get-time", cmd_get_time},
    {"guest-set-time", cmd_set_time},
    {"guest-fsfreeze-freeze", cmd_freeze},
    {"guest-fsfreeze-freeze-list", cmd_freeze},
    {"guest-fsfreeze-thaw", cmd_thaw},
    {"guest-fsfreeze-status", cmd_freeze_status},
    {"guest-shutdown", cmd_shutdown},
    {"golden-write", disk_write},
    {"golden-fill", disk_write},
    {"golden-read", disk_read},
    {"golden-sum", disk_sum},
    {"golden-remember", cmd_remember},
    {"golden-state", cmd_state},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static const char *cmd_info(const char *request, FILE *out)
{
    (void)request;
    fprintf(out, "{\"version\":\"golden-tiny\",\"supported_commands\":[");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "%s{\"name\":\"%s\",\"enabled\":true,\"success-response\":%s}", i ? "," : "", commands[i].name,
                commands[i].run == cmd_shutdown ? "false" : "true");
    fprintf(out, "]}");
    return NULL;
}

static void write_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t wrote = write(fd, data, length);
        if (wrote <= 0)
            return;
        data += wrote;
        length -= wrote;
    }
}

static void answer(int port, const char *request)
{
    char name[64] = "", *result = NULL, *line = NULL;
    size_t length;
    const char *error = NULL;
    const char *class = "GenericError";

    FILE *out = open_memstream(&result, &length);
    size_t i = 0;
    string_of(request, "execute", name, sizeof name);
    while (i < COMMANDS && strcmp(commands[i].name, name))
        i++;
    if (i < COMMANDS)
        error = commands[i].run(request, out);
    else
        class = "CommandNotFound", error = "The command has not been found";
    fclose(out);

    if (error != silence) {
        out = open_memstream(&line, &length);
        if (!strcmp(name, "guest-sync-delimited"))
            fputc(0xff, out);
        if (error) {
            fprintf(out, "{\"error\":{\"class\":\"%s\",\"desc\":", class);
            print_string(out, error, strlen(error));
            fprintf(out, "}}\n");
        } else {
            fprintf(out, "{\"return\":%s}\n", result);
        }
        fclose(out);
        write_all(port, line, length);
        free(line);
    }
    free(result);
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static void load_modules(void)
{
    char name[128], path[160];
    FILE *list = fopen("/modules/order", "r");

    while (list && fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = 0;
        snprintf(path, sizeof path, "/modules/%s", name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
            say("%s: %s", path, strerror(errno));
        close(fd);
    }
}

static void read_options(void)
{
    static char words[sizeof cmdline];
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, cmdline, sizeof cmdline - 1);

    close(fd);
    memcpy(words, cmdline, got > 0 ? got : 0);
    for (char *word = strtok(words, " \n"); word; word = strtok(NULL, " \n")) {
        if (!strncmp(word, "golden.fsfreeze=", 16))
            guest.fsfreeze = word + 16;
        else if (!strncmp(word, "golden.shutdown=", 16))
            guest.shutdown = word + 16;
        else if (!strncmp(word, "golden.delay=", 13))
            guest.delay = atoi(word + 13);
        else if (!strcmp(word, "golden.agent=off"))
            guest.agent = false;
    }
}

static int open_port(void)
{
    DIR *directory = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    int port = -1;

    while (port < 0 && directory && (entry = readdir(directory))) {
        char path[300], name[64] = "";
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (read(fd, name, sizeof name - 1) > 0 && !strncmp(name, PORT_NAME "\n", sizeof PORT_NAME)) {
            snprintf(path, sizeof path, "/dev/%s", entry->d_name);
            port = open(path, O_RDWR | O_CLOEXEC);
        }
        close(fd);
    }
    if (directory)
        closedir(directory);
    return port;
}

/* The power button is one of the input devices: watch them all. */
static int open_buttons(struct pollfd *polls)
{
    int count = 0;

    for (int i = 0; i < BUTTONS_MAX; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            polls[count++] = (struct pollfd){fd, POLLIN, 0};
    }
    return count;
}

static void read_button(int fd)
{
    struct input_event event;

    if (read(fd, &event, sizeof event) == sizeof event && event.type == EV_KEY && event.code == KEY_POWER &&
        event.value == 1 && !strcmp(guest.shutdown, "ok"))
        power_off(RB_POWER_OFF);
}

/* Reads what the host sent and answers every whole line; false where no host is connected. */
static bool read_port(int port)
{
    static char line[LINE_MAX_BYTES];
    static size_t length;
    ssize_t got = read(port, line + length, sizeof line - 1 - length);

    if (got <= 0) {
        length = 0;
        return false;
    }
    length += got;
    line[length] = 0;
    for (char *end; (end = memchr(line, '\n', length)); ) {
        *end = 0;
        char *start = memrchr(line, 0xff, end - line);
        start = start ? start + 1 : line;
        if (*skip_space(start))
            answer(port, start);
        length -= end + 1 - line;
        memmove(line, end + 1, length + 1);
    }
    if (length == sizeof line - 1)
        length = 0;
    return true;
}

int main(void)
{
    struct pollfd polls[1 + BUTTONS_MAX];

    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0)
        for (int fd = 0; fd < 3; fd++)
            dup2(console, fd);
    load_modules();
    read_options();
    sleep(guest.delay);

    int buttons = open_buttons(polls + 1);
    int port = -1;
    for (int tries = 0; guest.agent && port < 0 && tries < 100; tries++) {
        port = open_port();
        if (port < 0)
            usleep(50000);
    }
    polls[0] = (struct pollfd){port, POLLIN, 0};
    say(port >= 0 ? "agent ready" : "no agent");
    for (;;) {
        if (poll(polls, 1 + buttons, -1) < 0)
            continue;
        for (int i = 1; i <= buttons; i++)
            if (polls[i].revents & POLLIN)
                read_button(polls[i].fd);
        /* with no host connected the port is always readable and empty */
        if (polls[0].revents && !read_port(port))
            usleep(50000);
    }
}
