/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subcommands.  Each takes its own arguments, argv[0] being its name, and
 * returns the exit code.
 */
#ifndef BGFILTER_COMMANDS_H
#define BGFILTER_COMMANDS_H

int cmd_run(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_cost(int argc, char **argv);
int cmd_bulk(int argc, char **argv);
int cmd_dump(int argc, char **argv);

/* What a subcommand says to an option that getopt_long() refused. */
int bad_option(const char *command);

#endif /* BGFILTER_COMMANDS_H */
