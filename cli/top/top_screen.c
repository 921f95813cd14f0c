/* SPDX-License-Identifier: Apache-2.0 */
#define NCURSES_WIDECHAR 1
#include "cli/top/top_screen.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
/* term.h has macros of these names. */
#undef lines
#undef columns

#include "base/cleanup.h"
#include "cli/status.h"
#include "cli/top/top_keys.h"

static const int crash_signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

/* For a handler, which finds nothing else. */
static struct {
    SCREEN *screen;
    struct termios before;
    char restore[256]; /* what brings the terminal back */
    size_t restore_size;
    bool colours;
} own;

/* Nothing but these two calls, and then as if there were no handler. */
static void on_crash(int number)
{
    if (write(STDOUT_FILENO, own.restore, own.restore_size) >= 0)
        tcsetattr(STDIN_FILENO, TCSANOW, &own.before);
    signal(number, SIG_DFL);
    raise(number);
}

static void append_capability(const char *name)
{
    char id[16];
    snprintf(id, sizeof(id), "%s", name);
    const char *text = tigetstr(id);
    if (!text || text == (char *)-1)
        return;
    size_t size = strlen(text), room = sizeof(own.restore) - own.restore_size;
    if (size > room)
        return;
    memcpy(own.restore + own.restore_size, text, size);
    own.restore_size += size;
}

static void catch_crashes(void)
{
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND };
    own.restore_size = 0;
    append_capability("sgr0");
    append_capability("cnorm");
    append_capability("rmcup");
    for (size_t i = 0; i < ARRAY_SIZE(crash_signals); i++)
        sigaction(crash_signals[i], &action, NULL);
}

static const struct {
    attr_t attributes;
    short colour; /* -1: none */
} looks[] = {
    [LOOK_PLAIN] = { A_NORMAL, -1 },         [LOOK_TITLE] = { A_BOLD, -1 },
    [LOOK_HEAD] = { A_UNDERLINE, -1 },       [LOOK_DIM] = { A_DIM, -1 },
    [LOOK_BAD] = { A_BOLD, COLOR_RED },      [LOOK_DOUBTFUL] = { A_NORMAL, COLOR_YELLOW },
    [LOOK_GOOD] = { A_NORMAL, COLOR_GREEN }, [LOOK_FRONT] = { A_REVERSE, -1 },
};

static void prepare_colours(bool wanted)
{
    own.colours = wanted && has_colors() && start_color() == OK && use_default_colors() == OK;
    for (short i = 0; own.colours && i < (short)ARRAY_SIZE(looks); i++)
        init_pair((short)(i + 1), looks[i].colour, -1);
}

/* newterm() does not tell why it fails, and keeps memory then. */
static bool is_known_terminal(void)
{
    int known;
    if (setupterm(NULL, STDOUT_FILENO, &known) != OK)
        return false;
    del_curterm(cur_term);
    return true;
}

int top_screen_open(bool colours, struct err *reterr)
{
    const char *type = getenv("TERM");
    if (tcgetattr(STDIN_FILENO, &own.before) < 0)
        return err_set(reterr, STATUS_USAGE, "there is no terminal to draw on");
    if (!is_known_terminal())
        return err_set(reterr, STATUS_USAGE,
                       "TERM: nothing is known of a terminal \"%s\"; with --once a moment is printed instead",
                       type ? type : "");
    set_escdelay(50);
    own.screen = newterm(NULL, stdout, stdin);
    if (!own.screen)
        return err_set(reterr, STATUS_FAILED, "the terminal could not be opened");
    catch_crashes();
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    prepare_colours(colours);
    return STATUS_DONE;
}

void top_screen_close(void)
{
    if (!own.screen)
        return;
    endwin();
    delscreen(own.screen);
    own.screen = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(crash_signals); i++)
        signal(crash_signals[i], SIG_DFL);
}

void top_screen_get_size(int *ret_width, int *ret_height)
{
    getmaxyx(stdscr, *ret_height, *ret_width);
}

static void draw_line(int y, const struct top_line *line)
{
    attr_t attributes = looks[line->look].attributes;
    short pair = own.colours && looks[line->look].colour >= 0 ? (short)(line->look + 1) : 0;
    attr_set(attributes, pair, NULL);
    mvaddstr(y, 0, line->text);
    if (line->look == LOOK_FRONT) /* the whole line */
        hline(' ', COLS);
    attr_set(A_NORMAL, 0, NULL);
}

void top_screen_draw(const struct top_lines *lines, bool whole)
{
    if (whole)
        clearok(curscr, TRUE);
    erase();
    for (size_t i = 0; i < lines->n && (int)i < LINES; i++)
        draw_line((int)i, &lines->lines[i]);
    refresh();
}

static unsigned translate(wint_t key)
{
    switch (key) {
    case KEY_UP:
        return TOP_KEY_UP;
    case KEY_DOWN:
        return TOP_KEY_DOWN;
    case KEY_PPAGE:
        return TOP_KEY_PAGE_UP;
    case KEY_NPAGE:
        return TOP_KEY_PAGE_DOWN;
    case KEY_HOME:
        return TOP_KEY_HOME;
    case KEY_END:
        return TOP_KEY_END;
    case KEY_BTAB:
        return TOP_KEY_BACK_TAB;
    case KEY_BACKSPACE:
        return TOP_KEY_BACKSPACE;
    case KEY_ENTER:
        return TOP_KEY_ENTER;
    case KEY_RESIZE:
        return TOP_KEY_RESIZE;
    default:
        return TOP_KEY_NONE;
    }
}

unsigned top_screen_read_key(void)
{
    wint_t key;
    for (;;) {
        int r = get_wch(&key);
        if (r == ERR)
            return TOP_KEY_NONE;
        unsigned known = r == KEY_CODE_YES ? translate(key) : (unsigned)key;
        if (known != TOP_KEY_NONE)
            return known;
    }
}

void top_screen_stop(void)
{
    raise(SIGTSTP); /* for which curses has a handler */
}
