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
"Usage: bgfilter run (-r FILE | -i INTERFACE) [OPTION]... EXPRESSION...\n"
"       bgfilter run (-r FILE | -i INTERFACE) [OPTION]... -F FILTERS\n"
"\n"
"Compiles tcpdump expressions with libpcap, loads them into the kernel as one\n"
"set, runs every filter on every packet, and prints COUNT<TAB>EXPRESSION in the\n"
"order in which they were given.  A summary goes to stderr.  Runs start while the\n"
"kernel is still compiling, with the best code that a filter has at that moment.\n"
"\n"
"As tcpdump has them:\n"
"  -r, --read=FILE         take the packets from a capture file; - is stdin\n"
"  -i, --interface=NAME    take them from an interface, or from any\n"
"  -w, --write=FILE        with -i: write the packets that match to FILE as well\n"
"  -c, --count=N           stop after N packets that match; with -F, any filter\n"
"                          of the set\n"
"  -s, --snapshot-length=N with -i: capture up to N bytes of a packet (262144,\n"
"                          which 0 stands for, too)\n"
"  -p, --no-promiscuous-mode\n"
"                          with -i: leave the interface as it is\n"
"  -y, --linktype=TYPE     with -i: the link type (with any: LINUX_SLL2)\n"
"  -O, --no-optimize       leave out libpcap's optimizer, which may take long\n"
"  -n                      ignored: names are never looked up\n"
"Not as tcpdump has it:\n"
"  -F, --filters=FILE      a file of expressions, one a line; # starts a comment;\n"
"                          - is stdin\n"
"      --netmask=MASK      for \"ip broadcast\", such as 255.255.255.0 (default: of\n"
"                          the interface; with -r 0.0.0.0, as tcpdump has it)\n"
"      --skip-bad          go on without the expressions that libpcap cannot\n"
"                          compile, or the kernel cannot run\n"
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
"Counts are those of \"tcpdump --count\", with these exceptions.  An expression\n"
"is not run at all, and the message says which of its instructions is to blame,\n"
"if it has a jump backwards (protochain), or loads data that only a socket has\n"
"(with -i: inbound, ifindex and the like on link types whose header does not say\n"
"it; an offset of 2^31 or more).  Of a packet of which more than 262144 bytes\n"
"were captured (D-Bus, USBPcap) the rest is cut off: the summary says how many\n"
"there were.\n"
"\n"
"Exit codes: 0 done; 1 a difference, or a filter has no code of the tier that\n"
"was asked for; 2 bad usage, a bad expression or FILE; 3 the device, the\n"
"interface or the system failed; 130 ended by a signal.  Whatever ends it once\n"
"packets are run, the counts so far are printed.\n";

struct run {
	/* From the command line. */
	struct source source;
	struct live_options live;
	const char *read_path;
	const char *write_path;
	const char *device;
	bool netmask_given;
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
	uint64_t matched;	/* of those: by any filter */
	uint64_t cut;		/* of those: longer than the kernel takes */
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

	say("%s: the filter has no %s code: %s", filter_place(&run->filters, f),
	    run->tier == BGFILTER_TIER_TOP ? "top-tier" : "baseline",
	    filter_shown(f));
	return EXIT_DIFFERENCE;
}

/* Whether code of the wanted tier can still come. */
static int may_come(struct run *run, bool *may)
{
	struct bgfilter_progress p;
	int ret = device_progress(run->fd, &p);

	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
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

/* More than the kernel takes is cut off, and counted. */
static uint32_t kernel_cap_len(const struct packet *packet)
{
	return packet->cap_len < BGFILTER_MAX_PACKET ? packet->cap_len :
						       BGFILTER_MAX_PACKET;
}

static int run_once(const struct run *run, const struct packet *packet)
{
	struct bgfilter_run arg = {
		.packet = (uintptr_t)packet->data,
		.verdicts = (uintptr_t)run->verdicts,
		.cap_len = kernel_cap_len(packet),
		.wire_len = packet->wire_len,
		.nr_verdicts = run->filters.set.nr_progs,
		.tier = run->tier,
	};
	int ret = device_run(run->fd, &arg);

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

/* With the packet as it was captured, whatever the kernel was given of it. */
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
	end_bar();
	say("%s: packet %" PRIu64 ": the kernel's %s code says %s, bpf_filter() says %s: %s",
	    filter_place(&run->filters, f), run->packets + 1,
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
	bool matched = false;

	for (uint32_t i = 0; run->check && i < n; i++) {
		int ret = check_verdict(run, packet, i);

		if (ret)
			return ret;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool match = run->results[i] & BGFILTER_MATCH;

		matched |= match;
		run->counts[i] += match;
		run->ran[tier_of(run->results[i])]++;
	}
	run->packets++;
	run->matched += matched;
	run->cut += kernel_cap_len(packet) < packet->cap_len;
	return matched ? capture_dump(&run->capture, packet) : EXIT_OK;
}

static void show_packets(struct run *run)
{
	if (run->capture.live && run->max_packets)
		meter_count(&run->meter, "packets", run->matched,
			    run->max_packets);
	else
		meter_compile(&run->meter, run->fd, run->packets);
}

static int run_packets(struct run *run)
{
	struct packet packet;
	int ret = EXIT_OK;

	while (!ret && (!run->max_packets || run->matched < run->max_packets)) {
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
	end_bar();
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
		if (!print("%" PRIu64 "\t%s\n", run->counts[i],
			   run->filters.filters[i].text))
			break;
	flush_stdout();
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
	const struct filters *filters = &run->filters;
	uint32_t insns = 0, dropped = 0;
	bool told = capture_dropped(&run->capture, &dropped);
	int err;

	for (uint32_t i = 0; i < filters->set.nr_progs; i++)
		insns += filters->set.progs[i].len;
	fprintf(stderr, "filters    %u, %u instructions\n",
		filters->set.nr_progs, insns);
	if (filters->source->skip_bad)
		fprintf(stderr, "skipped    %u of %u expressions\n",
			filters->skipped, filters->read);
	fprintf(stderr,
		"packets    %" PRIu64 ", of which %" PRIu64 " cut to %u bytes",
		run->packets, run->cut, BGFILTER_MAX_PACKET);
	if (told)
		fprintf(stderr, "; %u dropped by the kernel", dropped);
	fputc('\n', stderr);
	err = device_progress(run->fd, &run->at_end);
	if (err) {
		say("%s: its progress: %s", run->device, strerror(-err));
	} else {
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

static void say_listening(const struct run *run)
{
	int link = pcap_datalink(run->capture.pcap);
	const char *name = pcap_datalink_val_to_name(link);

	if (run->capture.live)
		say("listening on %s, link-type %s", run->capture.name,
		    name ? name : "unknown");
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
	if (!ret)
		ret = capture_begin(&run->capture);
	if (!ret) {
		say_listening(run);
		start = now_ns();
		ret = run_packets(run);
		run->packets_ns = now_ns() - start;
	} else if (ret != EXIT_INTERRUPTED) {
		return ret;
	}
	/* However it ended: a capture may be cut off, an interface go down. */
	print_counts(run);
	print_summary(run);
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

static int read_filters(struct run *run)
{
	struct source *source = &run->source;

	source->link = pcap_datalink(run->capture.pcap);
	source->file = run->capture.live ? NULL : run->capture.pcap;
	source->progress = run->progress;
	if (!run->netmask_given)
		source->netmask = capture_netmask(&run->capture);
	return filters_read(&run->filters, source);
}

/*
 * What can be wrong with the input is found before the device is touched; and
 * the expressions are compiled for the packets that they are for.  Until then
 * there is nothing to print, and much that waits: a FIFO, libpcap's compiler.
 */
static int run_filters(struct run *run)
{
	int ret, closed;

	if (run->live.interface)
		ret = capture_open_live(&run->capture, &run->live);
	else
		ret = capture_open_file(&run->capture, run->read_path);
	if (ret)
		return ret;
	ret = read_filters(run);
	if (!ret) {
		if (run->write_path)
			ret = capture_write(&run->capture, run->write_path);
		leave_at_once = 0;
		if (!ret)
			ret = run_captured(run);
		filters_free(&run->filters);
	}
	closed = capture_close(&run->capture);
	return ret ? ret : closed;
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

static bool arguments_fit(const struct run *run, const char *words)
{
	const char *interface = run->live.interface;

	if (words && run->source.path)
		say("run: an expression and -F exclude each other");
	else if (!words && !run->source.path)
		say("run: an expression or -F FILTERS is missing");
	else if (!run->read_path && !interface)
		say("run: -r FILE or -i INTERFACE is missing");
	else if (run->read_path && interface)
		say("run: -r and -i exclude each other");
	else if (run->write_path && !interface)
		say("run: -w needs -i");
	else if (run->live.link && !interface)
		say("run: -y needs -i: a file says its link type itself");
	else if (is_standard(run->write_path))
		say("run: -w takes a file: standard output is for the counts");
	else if (is_standard(run->read_path) && is_standard(run->source.path))
		say("run: -r and -F cannot both be standard input");
	else
		return true;
	return false;
}

enum {
	OPT_TIER = 256,
	OPT_NO_WAIT,
	OPT_CHECK,
	OPT_PROGRESS,
	OPT_DEVICE,
	OPT_NETMASK,
	OPT_SKIP_BAD,
};

static const struct option options[] = {
	{ "filters", required_argument, NULL, 'F' },
	{ "read", required_argument, NULL, 'r' },
	{ "interface", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'c' },
	{ "write", required_argument, NULL, 'w' },
	{ "snapshot-length", required_argument, NULL, 's' },
	{ "no-promiscuous-mode", no_argument, NULL, 'p' },
	{ "linktype", required_argument, NULL, 'y' },
	{ "no-optimize", no_argument, NULL, 'O' },
	{ "netmask", required_argument, NULL, OPT_NETMASK },
	{ "skip-bad", no_argument, NULL, OPT_SKIP_BAD },
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
	struct run run = {
		.device = DEFAULT_DEVICE,
		.live.snaplen = MAX_SNAPLEN,
	};
	int c, ret;

	while ((c = getopt_long(argc, argv, "F:r:i:c:w:s:py:Onh", options,
				NULL)) >= 0)
		switch (c) {
		case 'F':
			run.source.path = optarg;
			break;
		case 'r':
			run.read_path = optarg;
			break;
		case 'i':
			run.live.interface = optarg;
			break;
		case 'c':
			if (!parse_number("-c", optarg, 1, UINT64_MAX,
					  &run.max_packets))
				return bad_option("run");
			break;
		case 'w':
			run.write_path = optarg;
			break;
		case 's':
			if (!parse_number("-s", optarg, 0, MAX_SNAPLEN,
					  &run.live.snaplen))
				return bad_option("run");
			if (!run.live.snaplen)
				run.live.snaplen = MAX_SNAPLEN;
			break;
		case 'p':
			run.live.not_promiscuous = true;
			break;
		case 'y':
			run.live.link = optarg;
			if (link_by_name(optarg) < 0)
				return bad_option("run");
			break;
		case 'O':
			run.source.no_optimizer = true;
			break;
		case 'n':
			break;
		case OPT_NETMASK:
			if (!parse_netmask(optarg, &run.source.netmask))
				return bad_option("run");
			run.netmask_given = true;
			break;
		case OPT_SKIP_BAD:
			run.source.skip_bad = true;
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
	if (argv[optind])
		run.source.expression = join_words(argv + optind);
	ret = run_filters(&run);
	free(run.source.expression);
	return ret;
}
