// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter: runs tcpdump expressions on packets through /dev/bgfilter.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "capture.h"
#include "commands.h"
#include "common.h"
#include "filters.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "run", cmd_run },
	{ "cancel", cmd_cancel },
	{ "cost", cmd_cost },
	{ "bulk", cmd_bulk },
	{ "dump", cmd_dump },
};

static const char help[] =
"Usage: bgfilter COMMAND [OPTION]...\n"
"\n"
"Compiles packet filters in the background, in the kernel, and runs them.\n"
"\n"
"Commands:\n"
"  run     run tcpdump expressions on a capture file or an interface\n"
"  cancel  close the device in the middle of compilation, and time close()\n"
"  cost    time filters on packets, in each tier and by libpcap\n"
"  bulk    load, compile and free many filters, each with its own code\n"
"  dump    compile expressions with libpcap only, and print sizes or code\n"
"\n"
"Options:\n"
"  -h, --help     this text; \"bgfilter COMMAND --help\" has each command's\n"
"  -V, --version  the versions of this program and of libpcap\n"
"\n"
"Exit codes:\n"
"  0    done\n"
"  1    a difference from libpcap, or a filter has no code of a tier\n"
"  2    bad usage, a bad expression or capture file\n"
"  3    the device, the interface or the system failed\n"
"  130  ended by a signal; run and cancel print what they have so far\n";

int bad_option(const char *command)
{
	fprintf(stderr, "Try \"bgfilter %s%s--help\".\n", command,
		*command ? " " : "");
	return EXIT_BAD_INPUT;
}

static const char dump_help[] =
"Usage: bgfilter dump [OPTION]... EXPRESSION...\n"
"       bgfilter dump [OPTION]... -F FILTERS\n"
"\n"
"Compiles every expression with libpcap, as \"bgfilter run -i\" would, and prints\n"
"LINE<TAB>INSTRUCTIONS<TAB>EXPRESSION.  Needs no device.\n"
"\n"
"  -F, --filters=FILE   tcpdump expressions, one a line; # starts a comment; - is\n"
"                       standard input\n"
"  -d, --code           print the instructions too\n"
"  -y, --linktype=TYPE  for that link type (EN10MB)\n"
"  -O, --no-optimize    leave out libpcap's optimizer\n"
"      --netmask=MASK   for \"ip broadcast\" (0.0.0.0)\n"
"      --skip-bad       go on without the expressions that do not compile\n"
"      --progress       show how far things are, on stderr\n"
"  -h, --help           this text\n";

/* Return: whether there is any use in going on. */
static bool dump_filter(const struct filters *filters, uint32_t i, bool code)
{
	const struct filter *f = &filters->filters[i];
	const struct bgfilter_prog *prog = &filters->set.progs[i];
	bool more = print("%u\t%u\t%s\n", f->line, prog->len, f->text);

	for (uint32_t pc = 0; more && code && pc < prog->len; pc++)
		more = print("\t%s\n",
			     bpf_image(filter_insns(filters, i) + pc, pc));
	return more;
}

static int dump_filters(const struct source *source, bool code)
{
	struct filters filters;
	int ret;

	ret = filters_read(&filters, source);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < filters.set.nr_progs; i++)
		if (!dump_filter(&filters, i, code))
			break;
	if (filters.skipped)
		fprintf(stderr, "skipped %u of %u expressions\n",
			filters.skipped, filters.read);
	fprintf(stderr, "%u filters, %u instructions\n", filters.set.nr_progs,
		filters.set.nr_insns);
	filters_free(&filters);
	return EXIT_OK;
}

enum { OPT_NETMASK = 256, OPT_SKIP_BAD, OPT_PROGRESS };

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "filters", required_argument, NULL, 'F' },
		{ "code", no_argument, NULL, 'd' },
		{ "linktype", required_argument, NULL, 'y' },
		{ "no-optimize", no_argument, NULL, 'O' },
		{ "netmask", required_argument, NULL, OPT_NETMASK },
		{ "skip-bad", no_argument, NULL, OPT_SKIP_BAD },
		{ "progress", no_argument, NULL, OPT_PROGRESS },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct source source = { .link = DLT_EN10MB };
	bool code = false;
	int c, ret;

	while ((c = getopt_long(argc, argv, "F:dy:Oh", options, NULL)) >= 0)
		switch (c) {
		case 'F':
			source.path = optarg;
			break;
		case 'y':
			source.link = link_by_name(optarg);
			if (source.link < 0)
				return bad_option("dump");
			break;
		case 'O':
			source.no_optimizer = true;
			break;
		case OPT_NETMASK:
			if (!parse_netmask(optarg, &source.netmask))
				return bad_option("dump");
			break;
		case OPT_SKIP_BAD:
			source.skip_bad = true;
			break;
		case OPT_PROGRESS:
			source.progress = true;
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
	if (!argv[optind] == !source.path) {
		say(source.path ? "dump: an expression and -F exclude each other" :
				  "dump: an expression or -F FILTERS is missing");
		return bad_option("dump");
	}
	if (argv[optind])
		source.expression = join_words(argv + optind);
	ret = dump_filters(&source, code);
	free(source.expression);
	return ret;
}

/* What was said is there, or this was no success. */
static int end(int ret)
{
	if (!flush_stdout())
		return stdout_failed();
	/* A file system may put off an error until then. */
	if (close(STDOUT_FILENO) && errno != EBADF)
		return bad_system("cannot write to standard output: %s",
				  strerror(errno));
	if (ferror(stderr))
		return interrupted ? EXIT_INTERRUPTED : EXIT_SYSTEM;
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
