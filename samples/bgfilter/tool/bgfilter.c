// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter: runs tcpdump expressions on packets through /dev/bgfilter.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <pcap/pcap.h>

#include "commands.h"
#include "common.h"
#include "filters.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "run", cmd_run },
	{ "cancel", cmd_cancel },
	{ "bulk", cmd_bulk },
	{ "dump", cmd_dump },
};

static const char help[] =
"Usage: bgfilter COMMAND [OPTION]...\n"
"\n"
"Compiles packet filters in the background, in the kernel, and runs them.\n"
"\n"
"Commands:\n"
"  run     run the filters of a file on a capture file or an interface\n"
"  cancel  close the device in the middle of compilation, and time close()\n"
"  bulk    load, compile and free many filters, each with its own code\n"
"  dump    compile the filters of a file with libpcap only, and print sizes\n"
"\n"
"Options:\n"
"  -h, --help     this text; \"bgfilter COMMAND --help\" has each command's\n"
"  -V, --version  the versions of this program and of libpcap\n"
"\n"
"Exit codes:\n"
"  0    done\n"
"  1    --check found a difference, or a filter has no code of a forced tier\n"
"  2    bad usage, filters or capture file\n"
"  3    the device, the interface or the system failed\n"
"  130  ended by a signal, after printing what there was\n";

int bad_option(const char *command)
{
	fprintf(stderr, "Try \"bgfilter %s%s--help\".\n", command,
		*command ? " " : "");
	return EXIT_BAD_INPUT;
}

static const char dump_help[] =
"Usage: bgfilter dump -F FILTERS [-d]\n"
"\n"
"Compiles every expression with libpcap, as \"bgfilter run\" would, and prints\n"
"LINE<TAB>INSTRUCTIONS<TAB>EXPRESSION.  Needs no device.\n"
"\n"
"  -F, --filters=FILE  tcpdump expressions, one a line; # starts a comment\n"
"  -d, --code          print the instructions too\n"
"  -h, --help          this text\n";

static void dump_filter(const struct filters *filters, uint32_t i, bool code)
{
	const struct filter *f = &filters->filters[i];
	const struct bgfilter_prog *prog = &filters->set.progs[i];

	printf("%u\t%u\t%s\n", f->line, prog->len, f->text);
	for (uint32_t pc = 0; code && pc < prog->len; pc++)
		printf("\t%s\n", bpf_image(filter_insns(filters, i) + pc, pc));
}

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "filters", required_argument, NULL, 'F' },
		{ "code", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *path = NULL;
	struct filters filters;
	bool code = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "F:dh", options, NULL)) >= 0)
		switch (c) {
		case 'F':
			path = optarg;
			break;
		case 'd':
			code = true;
			break;
		case 'h':
			fputs(dump_help, stdout);
			return EXIT_OK;
		default:
			return bad_option("dump");
		}
	if (optind < argc || !path) {
		say(path ? "dump: unexpected argument \"%s\"" :
			   "dump: -F FILTERS is missing", argv[optind]);
		return bad_option("dump");
	}
	ret = filters_read(&filters, path);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < filters.set.nr_progs; i++)
		dump_filter(&filters, i, code);
	fprintf(stderr, "%u filters, %u instructions\n", filters.set.nr_progs,
		filters.set.nr_insns);
	filters_free(&filters);
	return EXIT_OK;
}

static int end(int ret)
{
	if (fflush(stdout) || ferror(stdout)) {
		say("cannot write to standard output: %s", strerror(errno));
		return EXIT_SYSTEM;
	}
	return ret;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	program_invocation_short_name = "bgfilter";
	if (!strcmp(name, "-h") || !strcmp(name, "--help")) {
		fputs(help, stdout);
		return end(EXIT_OK);
	}
	if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
		printf("bgfilter %s\n%s\n", VERSION, pcap_lib_version());
		return end(EXIT_OK);
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].name)) {
			catch_signals();
			/* getopt_long() names argv[0] in its messages. */
			argv[1] = program_invocation_short_name;
			return end(commands[i].run(argc - 1, argv + 1));
		}
	if (*name)
		say("no command \"%s\"", name);
	else
		say("a command is missing");
	return bad_option("");
}
