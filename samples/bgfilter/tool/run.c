// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter run: every filter on every packet.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "commands.h"
#include "common.h"
#include "filters.h"
#include "progress.h"

#define RAN		(BGFILTER_RAN_BASELINE | BGFILTER_RAN_TOP)
#define RETRY_MS	1

static const char help[] =
"Usage: bgfilter run -F FILTERS (-r FILE | -i INTERFACE [-w FILE]) [OPTION]...\n"
"\n"
"Compiles tcpdump expressions with libpcap, loads them into the kernel as one\n"
"set, runs every filter on every packet, and prints COUNT<TAB>EXPRESSION in the\n"
"order of the file.  A summary goes to stderr.  Runs start while the kernel is\n"
"still compiling, with the best code that a filter has at that moment.\n"
"\n"
"  -F, --filters=FILE      tcpdump expressions, one a line; # starts a comment\n"
"  -r, --read=FILE         take the packets from a capture file (Ethernet)\n"
"  -i, --interface=NAME    take them from an interface (Ethernet, or lo)\n"
"  -c, --count=N           stop after N packets\n"
"  -w, --write=FILE        with -i: write the packets to FILE as well\n"
"      --tier=TIER         baseline: wait for all baseline code, and run that\n"
"                          top: wait for all native code, and run that\n"
"                          any (default): wait for all baseline code, and let\n"
"                          the kernel choose from then on\n"
"      --no-wait           do not wait; retry a filter until it has code\n"
"      --check             compare each single result with bpf_filter() of\n"
"                          libpcap; end at the first difference with exit code 1\n"
"      --progress          show how far things are, on stderr\n"
"      --device=PATH       instead of " DEFAULT_DEVICE "\n"
"  -h, --help              this text\n"
"\n"
"Exit codes: 0 done; 1 a difference, or a filter has no code of the tier that\n"
"was asked for; 2 bad usage, FILTERS or FILE; 3 the device, the interface or\n"
"the system failed; 130 ended by a signal, after printing what there was.\n";

struct run {
	/* From the command line. */
	const char *filters_path;
	const char *read_path;
	const char *interface;
	const char *write_path;
	const char *device;
	uint64_t max_packets;
	uint32_t tier;		/* as in struct bgfilter_run */
	bool no_wait;
	bool check;
	bool progress;

	struct filters filters;
	struct capture capture;
	struct meter meter;
	int fd;
	uint8_t *verdicts;	/* of the last BGFILTER_RUN */
	uint8_t *results;	/* of the packet, once each filter had code */

	/* What came of it. */
	uint64_t *counts;	/* matches, each filter */
	uint64_t packets;
	uint64_t cut;
	uint64_t retries;	/* BGFILTER_RUN calls beyond one a packet */
	uint64_t comparisons;
	uint64_t ran[NR_TIERS];
	uint64_t load_ns, wait_ns, packets_ns;
	struct bgfilter_progress at_end;
};

/* Takes the verdicts of the filters that had code.  Return: how many had none. */
static uint32_t take_verdicts(struct run *run, uint32_t *first_without)
{
	uint32_t n = run->filters.set.nr_progs;
	uint32_t without = 0;

	for (uint32_t i = n; i-- > 0;) {
		if (run->results[i])
			continue;
		if (run->verdicts[i] & RAN) {
			run->results[i] = run->verdicts[i];
			continue;
		}
		without++;
		*first_without = i;
	}
	return without;
}

static int no_code(const struct run *run, uint32_t i)
{
	const struct filter *f = &run->filters.filters[i];

	say("%s:%u: the filter has no %s code: %s", run->filters_path, f->line,
	    run->tier == BGFILTER_TIER_TOP ? "top-tier" : "baseline",
	    filter_shown(f));
	return EXIT_DIFFERENCE;
}

/* Whether code of the wanted tier can still come. */
static int may_come(struct run *run, bool *may)
{
	struct bgfilter_progress p;
	int ret = device_progress(run->fd, &p);

	if (ret)
		return bad_system("%s: %s", run->device, strerror(-ret));
	if (p.events & BGFILTER_EVENT_FAILED)
		return bad_system("the set failed: %s", strerror(-p.error));
	if (run->tier == BGFILTER_TIER_TOP)
		*may = !(p.events & BGFILTER_EVENT_TOP);
	else
		*may = !(p.events & BGFILTER_EVENT_BASELINE);
	return EXIT_OK;
}

static int run_once(const struct run *run, const struct packet *packet)
{
	struct bgfilter_run arg = {
		.packet = (uintptr_t)packet->data,
		.verdicts = (uintptr_t)run->verdicts,
		.cap_len = packet->cap_len,
		.wire_len = packet->wire_len,
		.nr_verdicts = run->filters.set.nr_progs,
		.tier = run->tier,
	};
	int ret;

	do
		ret = device_run(run->fd, &arg);
	while (ret == -EINTR && !interrupted);
	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	if (ret)
		return bad_system("packet %" PRIu64 ": %s", run->packets + 1,
				  strerror(-ret));
	return EXIT_OK;
}

/* Runs the packet until every filter has had code for it. */
static int run_packet(struct run *run, const struct packet *packet)
{
	uint32_t without;
	bool may = true;

	memset(run->results, 0, run->filters.set.nr_progs);
	for (;;) {
		int ret = run_once(run, packet);

		if (ret || !take_verdicts(run, &without))
			return ret;
		/* Not even after the last code had come. */
		if (!may)
			return no_code(run, without);
		ret = may_come(run, &may);
		if (ret)
			return ret;
		if (interrupted)
			return EXIT_INTERRUPTED;
		run->retries++;
		meter_compile(&run->meter, run->fd, run->packets);
		if (may)
			poll(NULL, 0, RETRY_MS);
	}
}

static int check_verdict(struct run *run, const struct packet *packet,
			 uint32_t i)
{
	const struct filter *f = &run->filters.filters[i];
	uint8_t result = run->results[i];
	bool match = result & BGFILTER_MATCH;
	bool expected = bpf_filter(filter_insns(&run->filters, i), packet->data,
				   packet->wire_len, packet->cap_len);

	run->comparisons++;
	if (match == expected)
		return EXIT_OK;
	meter_end(&run->meter);
	say("%s:%u: packet %" PRIu64 ": the kernel's %s code says %s, bpf_filter() says %s: %s",
	    run->filters_path, f->line, run->packets + 1,
	    result & BGFILTER_RAN_TOP ? "top-tier" : "baseline",
	    match ? "match" : "no match", expected ? "match" : "no match",
	    filter_shown(f));
	return EXIT_DIFFERENCE;
}

static int tier_of(uint8_t result)
{
	return (result & BGFILTER_RAN_TOP) ? TOP : BASELINE;
}

static int account(struct run *run, const struct packet *packet)
{
	uint32_t n = run->filters.set.nr_progs;

	for (uint32_t i = 0; run->check && i < n; i++) {
		int ret = check_verdict(run, packet, i);

		if (ret)
			return ret;
	}
	for (uint32_t i = 0; i < n; i++) {
		run->counts[i] += !!(run->results[i] & BGFILTER_MATCH);
		run->ran[tier_of(run->results[i])]++;
	}
	run->packets++;
	run->cut += packet->cut;
	return EXIT_OK;
}

static void show_packets(struct run *run)
{
	if (run->capture.live && run->max_packets)
		meter_count(&run->meter, "packets", run->packets,
			    run->max_packets);
	else
		meter_compile(&run->meter, run->fd, run->packets);
}

static int run_packets(struct run *run)
{
	struct packet packet;
	int ret = EXIT_OK;

	while (!ret && (!run->max_packets || run->packets < run->max_packets)) {
		ret = capture_next(&run->capture, &packet);
		if (ret <= 0) {
			ret = -ret;
			break;
		}
		ret = run_packet(run, &packet);
		if (!ret)
			ret = account(run, &packet);
		if (!ret)
			show_packets(run);
	}
	meter_end(&run->meter);
	return !ret && interrupted ? EXIT_INTERRUPTED : ret;
}

static int wait_for_code(struct run *run)
{
	bool top = run->tier == BGFILTER_TIER_TOP;
	uint64_t start = now_ns();
	int ret;

	if (run->no_wait)
		return EXIT_OK;
	ret = meter_wait(&run->meter, run->fd, top ? BGFILTER_EVENT_TOP :
						     BGFILTER_EVENT_BASELINE);
	run->wait_ns = now_ns() - start;
	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	if (ret)
		return bad_system("waiting for the %s code: %s",
				  top ? "top-tier" : "baseline",
				  strerror(-ret));
	return EXIT_OK;
}

static void print_counts(const struct run *run)
{
	for (uint32_t i = 0; i < run->filters.set.nr_progs; i++)
		printf("%" PRIu64 "\t%s\n", run->counts[i],
		       run->filters.filters[i].text);
	fflush(stdout);
}

static double ms(uint64_t ns)
{
	return (double)ns / NSEC_PER_MSEC;
}

static void print_tier(const struct run *run, int tier, const char *name)
{
	const struct bgfilter_progress *p = &run->at_end;

	fprintf(stderr,
		"%-9s  %" PRIu64 " runs; compiled %u of %u in %.3f ms, the longest in %.3f ms",
		name, run->ran[tier], p->done[tier], p->total[tier],
		ms(p->compile_ns[tier]), ms(p->longest_ns[tier]));
	if (p->failed[tier])
		fprintf(stderr, ", %u failed", p->failed[tier]);
	fputc('\n', stderr);
}

static void print_summary(struct run *run)
{
	fprintf(stderr, "filters    %u, %u instructions\n",
		run->filters.set.nr_progs, run->filters.set.nr_insns);
	fprintf(stderr,
		"packets    %" PRIu64 ", of which %" PRIu64 " cut to %u bytes\n",
		run->packets, run->cut, BGFILTER_MAX_PACKET);
	if (!device_progress(run->fd, &run->at_end)) {
		print_tier(run, BASELINE, "baseline");
		print_tier(run, TOP, "top");
	}
	if (run->retries)
		fprintf(stderr, "retries    %" PRIu64 "\n", run->retries);
	fprintf(stderr,
		"wall time  load %.3f ms, wait %.3f ms, packets %.3f ms\n",
		ms(run->load_ns), ms(run->wait_ns), ms(run->packets_ns));
	if (run->check)
		fprintf(stderr,
			"check      %" PRIu64 " comparisons with bpf_filter()\n",
			run->comparisons);
}

/* Everything from the load on, with the filters and the capture at hand. */
static int load_and_run(struct run *run)
{
	uint64_t start = now_ns();
	int ret = filters_load(&run->filters, run->fd, 0);

	run->load_ns = now_ns() - start;
	if (ret)
		return ret;
	ret = wait_for_code(run);
	if (!ret) {
		start = now_ns();
		ret = run_packets(run);
		run->packets_ns = now_ns() - start;
	}
	if (!ret || ret == EXIT_INTERRUPTED) {
		print_counts(run);
		print_summary(run);
	}
	return ret;
}

static int run_captured(struct run *run)
{
	uint32_t n = run->filters.set.nr_progs;
	int ret;

	run->fd = device_open(run->device);
	if (run->fd < 0)
		return EXIT_SYSTEM;
	run->verdicts = must_calloc(n, 1);
	run->results = must_calloc(n, 1);
	run->counts = must_calloc(n, sizeof(*run->counts));
	meter_init(&run->meter, run->progress);
	ret = load_and_run(run);
	free(run->verdicts);
	free(run->results);
	free(run->counts);
	close(run->fd);
	return ret;
}

/* What can be wrong with the input is found before the device is touched. */
static int run_filters(struct run *run)
{
	int ret;

	ret = filters_read(&run->filters, run->filters_path);
	if (ret)
		return ret;
	if (run->interface)
		ret = capture_open_live(&run->capture, run->interface,
					run->write_path);
	else
		ret = capture_open_file(&run->capture, run->read_path);
	if (!ret) {
		int closed;

		ret = run_captured(run);
		closed = capture_close(&run->capture);
		if (!ret)
			ret = closed;
	}
	filters_free(&run->filters);
	return ret;
}

static bool parse_tier(const char *text, uint32_t *tier)
{
	if (!strcmp(text, "baseline"))
		*tier = BGFILTER_TIER_BASELINE;
	else if (!strcmp(text, "top"))
		*tier = BGFILTER_TIER_TOP;
	else if (!strcmp(text, "any"))
		*tier = 0;
	else
		return false;
	return true;
}

static bool arguments_fit(const struct run *run, const char *extra)
{
	if (extra)
		say("run: unexpected argument \"%s\"", extra);
	else if (!run->filters_path)
		say("run: -F FILTERS is missing");
	else if (!run->read_path && !run->interface)
		say("run: -r FILE or -i INTERFACE is missing");
	else if (run->read_path && run->interface)
		say("run: -r and -i exclude each other");
	else if (run->write_path && !run->interface)
		say("run: -w takes -i");
	else
		return true;
	return false;
}

enum { OPT_TIER = 256, OPT_NO_WAIT, OPT_CHECK, OPT_PROGRESS, OPT_DEVICE };

static const struct option options[] = {
	{ "filters", required_argument, NULL, 'F' },
	{ "read", required_argument, NULL, 'r' },
	{ "interface", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'c' },
	{ "write", required_argument, NULL, 'w' },
	{ "tier", required_argument, NULL, OPT_TIER },
	{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

int cmd_run(int argc, char **argv)
{
	struct run run = { .device = DEFAULT_DEVICE };
	int c;

	while ((c = getopt_long(argc, argv, "F:r:i:c:w:h", options, NULL)) >= 0)
		switch (c) {
		case 'F':
			run.filters_path = optarg;
			break;
		case 'r':
			run.read_path = optarg;
			break;
		case 'i':
			run.interface = optarg;
			break;
		case 'c':
			if (!parse_number("-c", optarg, 1, UINT64_MAX,
					  &run.max_packets))
				return bad_option("run");
			break;
		case 'w':
			run.write_path = optarg;
			break;
		case OPT_TIER:
			if (!parse_tier(optarg, &run.tier)) {
				say("--tier takes baseline, top or any, not \"%s\"",
				    optarg);
				return bad_option("run");
			}
			break;
		case OPT_NO_WAIT:
			run.no_wait = true;
			break;
		case OPT_CHECK:
			run.check = true;
			break;
		case OPT_PROGRESS:
			run.progress = true;
			break;
		case OPT_DEVICE:
			run.device = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			return bad_option("run");
		}
	if (!arguments_fit(&run, argv[optind]))
		return bad_option("run");
	return run_filters(&run);
}
