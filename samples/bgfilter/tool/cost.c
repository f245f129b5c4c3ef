// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter cost: what a run of a filter on a packet takes, in each tier and in
 * libpcap's bpf_filter().
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "commands.h"
#include "common.h"
#include "filters.h"
#include "progress.h"

static const char help[] =
"Usage: bgfilter cost -r FILE [OPTION]... EXPRESSION...\n"
"       bgfilter cost -r FILE [OPTION]... -F FILTERS\n"
"\n"
"Runs every filter on every packet of a capture file, over and over: in the\n"
"kernel's baseline tier, in its top tier, and by bpf_filter() of libpcap, which\n"
"says what the verdicts must be.  Prints what one filter takes for one packet,\n"
"less what a filter takes that only returns.  Of each packet's turns the quickest\n"
"counts: the one that was disturbed least.\n"
"\n"
"  -r, --read=FILE     take the packets from a capture file; - is stdin\n"
"  -c, --count=N       the first N of its packets (100)\n"
"  -F, --filters=FILE  a file of expressions, one a line; # starts a comment; -\n"
"                      is stdin\n"
"  -O, --no-optimize   leave out libpcap's optimizer, which may take long\n"
"  -n                  ignored: names are never looked up\n"
"      --netmask=MASK  for \"ip broadcast\", such as 255.255.255.0 (0.0.0.0)\n"
"      --skip-bad      go on without the expressions that libpcap cannot compile, or\n"
"                      the kernel cannot run\n"
"      --turns=N       turns of each packet (9)\n"
"      --tsv           print rows of case, variant, param, value and unit instead\n"
"      --progress      show how far things are, on stderr\n"
"      --device=PATH   instead of " DEFAULT_DEVICE "\n"
"  -h, --help          this text\n"
"\n"
"Exit codes: 0 done; 1 a difference from bpf_filter(), or a filter has no code of\n"
"a tier; 2 bad usage, a bad expression or FILE; 3 the device or the system failed;\n"
"130 ended by a signal.\n";

enum { LIBPCAP = NR_TIERS, NR_WAYS };

static const char *const way_name[NR_WAYS] = {
	[BASELINE] = "baseline",
	[TOP] = "top",
	[LIBPCAP] = "bpf_filter",
};

static const uint32_t tier_of[NR_TIERS] = {
	[BASELINE] = BGFILTER_TIER_BASELINE,
	[TOP] = BGFILTER_TIER_TOP,
};

struct copy {
	uint8_t *data;
	uint32_t cap_len, wire_len;
};

struct cost {
	/* From the command line. */
	const char *device;
	const char *read_path;
	struct source source;
	uint64_t max_packets;
	uint64_t turns;
	bool tsv;
	bool progress;

	struct filters filters;
	struct copy *packets;
	uint64_t nr_packets;
	uint8_t *expected;	/* a byte a filter of one packet: does it match? */
	uint8_t *verdicts;
	struct meter meter;
	int fd;

	/* What came of it: all filters, all packets. */
	uint64_t ns[NR_WAYS];	/* 0: lost in the noise */
};

/* In user space, as the kernel does it: a loop over the programs. */
static uint64_t run_libpcap(const struct cost *cost, const struct set *set,
			    const struct copy *packet)
{
	uint64_t start = now_ns();

	for (uint32_t i = 0; i < set->nr_progs; i++)
		cost->expected[i] =
			!!bpf_filter(set->insns + set->progs[i].first, packet->data,
				     packet->wire_len, packet->cap_len);
	return now_ns() - start;
}

/* Return: EXIT_*. */
static int run_tier(const struct cost *cost, const struct set *set, int tier,
		    const struct copy *packet, uint64_t *ns)
{
	struct bgfilter_run arg = {
		.packet = (uintptr_t)packet->data,
		.verdicts = (uintptr_t)cost->verdicts,
		.cap_len = packet->cap_len,
		.wire_len = packet->wire_len,
		.nr_verdicts = set->nr_progs,
		.tier = tier_of[tier],
	};
	uint64_t start = now_ns();
	int ret = device_run(cost->fd, &arg);

	*ns = now_ns() - start;
	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	return ret ? bad_system("%s: %s", cost->device, strerror(-ret)) : EXIT_OK;
}

/* Every verdict is there, and says what bpf_filter() says. */
static int check_verdicts(const struct cost *cost, const struct set *set, int tier,
			  const struct copy *packet)
{
	for (uint32_t i = 0; i < set->nr_progs; i++) {
		const struct filter *f = &cost->filters.filters[i];
		bool empty = set != &cost->filters.set;
		uint8_t verdict = cost->verdicts[i];
		bool match = verdict & BGFILTER_MATCH;

		if (verdict & ~BGFILTER_MATCH && match == cost->expected[i])
			continue;
		if (!(verdict & ~BGFILTER_MATCH))
			say("%s: the filter has no %s code: %s",
			    filter_place(&cost->filters, f), way_name[tier],
			    empty ? "one that only returns" : filter_shown(f));
		else
			say("%s: packet %td: the %s code says %s, bpf_filter() says %s: %s",
			    filter_place(&cost->filters, f), packet - cost->packets + 1,
			    way_name[tier], match ? "match" : "no match",
			    match ? "no match" : "match",
			    empty ? "one that only returns" : filter_shown(f));
		return EXIT_DIFFERENCE;
	}
	return EXIT_OK;
}

/* Adds up, each way, what all of @set takes for @packet. */
static int run_packet(struct cost *cost, const struct set *set,
		      const struct copy *packet, uint64_t sum[NR_WAYS])
{
	for (int way = NR_WAYS; way-- > 0;) {
		uint64_t least = UINT64_MAX;

		for (uint64_t turn = 0; turn < cost->turns; turn++) {
			uint64_t ns;
			int ret = EXIT_OK;

			if (way == LIBPCAP)
				ns = run_libpcap(cost, set, packet);
			else
				ret = run_tier(cost, set, way, packet, &ns);
			if (ret)
				return ret;
			if (interrupted)
				return EXIT_INTERRUPTED;
			if (ns < least)
				least = ns;
		}
		if (way != LIBPCAP) {
			int ret = check_verdicts(cost, set, way, packet);

			if (ret)
				return ret;
		}
		sum[way] += least;
	}
	return EXIT_OK;
}

/* The same of all packets, with @set loaded and compiled. */
static int run_set(struct cost *cost, const struct set *set, const char *what,
		   uint64_t sum[NR_WAYS])
{
	int ret = meter_wait(&cost->meter, cost->fd, BGFILTER_EVENT_TOP);

	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	if (ret)
		return bad_system("waiting for the code: %s", strerror(-ret));
	for (uint64_t i = 0; !ret && i < cost->nr_packets; i++) {
		ret = run_packet(cost, set, &cost->packets[i], sum);
		if (!ret)
			meter_count(&cost->meter, what, i + 1, cost->nr_packets);
	}
	end_bar();
	return ret;
}

/* As many as there are filters, each of which only returns. */
static int run_empty(struct cost *cost, uint64_t sum[NR_WAYS])
{
	struct bpf_insn insn = { .code = BPF_RET | BPF_K };
	struct set set = {
		.insns = &insn,
		.nr_insns = 1,
		.nr_progs = cost->filters.set.nr_progs,
	};
	struct bgfilter_load load;
	int ret;

	set.progs = must_calloc(set.nr_progs, sizeof(*set.progs));
	for (uint32_t i = 0; i < set.nr_progs; i++)
		set.progs[i].len = 1;
	ret = device_load(cost->fd, &set, 0, &load);
	if (ret)
		ret = ret == -EINTR ? EXIT_INTERRUPTED :
			bad_system("cannot load: %s", strerror(-ret));
	else
		ret = run_set(cost, &set, "packets, empty filters", sum);
	free(set.progs);
	return ret;
}

static int measure(struct cost *cost)
{
	uint64_t empty[NR_WAYS] = { 0 };
	int ret;

	ret = filters_load(&cost->filters, cost->fd, 0);
	if (!ret)
		ret = run_set(cost, &cost->filters.set, "packets", cost->ns);
	if (!ret)
		ret = run_empty(cost, empty);
	for (int way = 0; !ret && way < NR_WAYS; way++) {
		if (cost->ns[way] > empty[way]) {
			cost->ns[way] -= empty[way];
			continue;
		}
		say("%s: not told: no slower than what only returns; more turns may help",
		    way_name[way]);
		cost->ns[way] = 0;
	}
	return ret;
}

static void report(const struct cost *cost)
{
	double runs = (double)cost->filters.set.nr_progs * cost->nr_packets;

	if (!cost->tsv)
		printf("%u filters, %" PRIu64 " packets\n\n%-12s %12s %16s\n",
		       cost->filters.set.nr_progs, cost->nr_packets, "",
		       "ns a run", "of bpf_filter()");
	for (int way = 0; way < NR_WAYS; way++)
		if (!cost->ns[way])
			continue;
		else if (cost->tsv)
			printf("filter\t%s\tpacket\t%.1f\tns\n", way_name[way],
			       cost->ns[way] / runs);
		else if (cost->ns[LIBPCAP])
			printf("%-12s %12.1f %16.2f\n", way_name[way],
			       cost->ns[way] / runs,
			       (double)cost->ns[way] / cost->ns[LIBPCAP]);
		else
			printf("%-12s %12.1f %16s\n", way_name[way],
			       cost->ns[way] / runs, "-");
}

/* Return: EXIT_*. */
static int copy_packets(struct cost *cost, struct capture *capture)
{
	struct packet packet;
	int ret = 0;

	cost->packets = must_calloc(cost->max_packets, sizeof(*cost->packets));
	while (cost->nr_packets < cost->max_packets &&
	       (ret = capture_next(capture, &packet)) > 0) {
		struct copy *copy = &cost->packets[cost->nr_packets++];

		if (packet.cap_len > BGFILTER_MAX_PACKET)
			return bad_input("%s: packet %" PRIu64 " is longer than %u bytes",
					 capture->name, cost->nr_packets,
					 BGFILTER_MAX_PACKET);
		copy->cap_len = packet.cap_len;
		copy->wire_len = packet.wire_len;
		copy->data = must_calloc(packet.cap_len + 1, 1);
		memcpy(copy->data, packet.data, packet.cap_len);
	}
	if (ret < 0)
		return -ret;
	if (interrupted)
		return EXIT_INTERRUPTED;
	if (!cost->nr_packets)
		return bad_input("%s: there is no packet", capture->name);
	return EXIT_OK;
}

static int run_copied(struct cost *cost)
{
	uint32_t n = cost->filters.set.nr_progs;
	int ret;

	leave_at_once = 0;
	cost->fd = device_open(cost->device);
	if (cost->fd < 0)
		return EXIT_SYSTEM;
	cost->expected = must_calloc(n, 1);
	cost->verdicts = must_calloc(n, 1);
	meter_init(&cost->meter, cost->progress);
	ret = measure(cost);
	if (!ret)
		report(cost);
	free(cost->expected);
	free(cost->verdicts);
	close(cost->fd);
	return ret;
}

static int run_cost(struct cost *cost)
{
	struct capture capture = { 0 };
	int ret, closed;

	ret = capture_open_file(&capture, cost->read_path);
	if (ret)
		return ret;
	cost->source.link = pcap_datalink(capture.pcap);
	cost->source.file = capture.pcap;
	cost->source.progress = cost->progress;
	ret = copy_packets(cost, &capture);
	if (!ret)
		ret = filters_read(&cost->filters, &cost->source);
	if (!ret) {
		ret = run_copied(cost);
		filters_free(&cost->filters);
	}
	for (uint64_t i = 0; i < cost->nr_packets; i++)
		free(cost->packets[i].data);
	free(cost->packets);
	closed = capture_close(&capture);
	return ret ? ret : closed;
}

static bool arguments_fit(const struct cost *cost, const char *words)
{
	if (words && cost->source.path)
		say("cost: an expression and -F exclude each other");
	else if (!words && !cost->source.path)
		say("cost: an expression or -F FILTERS is missing");
	else if (!cost->read_path)
		say("cost: -r FILE is missing");
	else if (is_standard(cost->read_path) && is_standard(cost->source.path))
		say("cost: -r and -F cannot both be standard input");
	else
		return true;
	return false;
}

enum { OPT_NETMASK = 256, OPT_SKIP_BAD, OPT_TURNS, OPT_TSV, OPT_PROGRESS, OPT_DEVICE };

static const struct option options[] = {
	{ "read", required_argument, NULL, 'r' },
	{ "count", required_argument, NULL, 'c' },
	{ "filters", required_argument, NULL, 'F' },
	{ "no-optimize", no_argument, NULL, 'O' },
	{ "netmask", required_argument, NULL, OPT_NETMASK },
	{ "skip-bad", no_argument, NULL, OPT_SKIP_BAD },
	{ "turns", required_argument, NULL, OPT_TURNS },
	{ "tsv", no_argument, NULL, OPT_TSV },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

int cmd_cost(int argc, char **argv)
{
	struct cost cost = {
		.device = DEFAULT_DEVICE,
		.max_packets = 100,
		.turns = 9,
	};
	int c, ret;

	while ((c = getopt_long(argc, argv, "r:c:F:Onh", options, NULL)) >= 0)
		switch (c) {
		case 'r':
			cost.read_path = optarg;
			break;
		case 'c':
			if (!parse_number("-c", optarg, 1, 1000000, &cost.max_packets))
				return bad_option("cost");
			break;
		case 'F':
			cost.source.path = optarg;
			break;
		case 'O':
			cost.source.no_optimizer = true;
			break;
		case 'n':
			break;
		case OPT_NETMASK:
			if (!parse_netmask(optarg, &cost.source.netmask))
				return bad_option("cost");
			break;
		case OPT_SKIP_BAD:
			cost.source.skip_bad = true;
			break;
		case OPT_TURNS:
			if (!parse_number("--turns", optarg, 1, 1000000, &cost.turns))
				return bad_option("cost");
			break;
		case OPT_TSV:
			cost.tsv = true;
			break;
		case OPT_PROGRESS:
			cost.progress = true;
			break;
		case OPT_DEVICE:
			cost.device = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return bad_option("cost");
		}
	if (!arguments_fit(&cost, argv[optind]))
		return bad_option("cost");
	if (argv[optind])
		cost.source.expression = join_words(argv + optind);
	ret = run_cost(&cost);
	free(cost.source.expression);
	return ret;
}
