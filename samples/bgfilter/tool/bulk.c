// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter bulk: many filters in one set, each with its own instructions.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "common.h"
#include "device.h"
#include "gen.h"
#include "progress.h"

static const char help[] =
"Usage: bgfilter bulk [OPTION]...\n"
"\n"
"Loads many filters that share no instruction, waits until both tiers of all of\n"
"them are compiled, runs one packet through them, compares each result with\n"
"bpf_filter() of libpcap, closes the device, and prints how long each took.\n"
"\n"
"  -n, --filters=N    filters in the set (10000)\n"
"      --length=L     instructions of a filter (1000); at most 16777216 in all\n"
"      --no-run       leave out the packet: under emulation, code that runs for\n"
"                     the first time is translated again, which takes longer than\n"
"                     its compilation\n"
"      --device=PATH  instead of " DEFAULT_DEVICE "\n"
"  -h, --help         this text\n"
"\n"
"Exit codes: 0 done; 1 a difference; 2 bad usage; 3 the device or the system\n"
"failed; 130 ended by a signal.\n";

static const uint32_t tier_of[NR_TIERS] = {
	[BASELINE] = BGFILTER_TIER_BASELINE,
	[TOP] = BGFILTER_TIER_TOP,
};

static const uint8_t ran[NR_TIERS] = {
	[BASELINE] = BGFILTER_RAN_BASELINE,
	[TOP] = BGFILTER_RAN_TOP,
};

struct bulk {
	const char *device;
	uint64_t filters;
	uint64_t length;
	bool no_run;

	struct set set;
	uint64_t memory_kb;		/* less of it available at the end */
	bool memory_known;
	uint64_t load_ns, compile_ns, run_ns[NR_TIERS], close_ns;
	struct bgfilter_progress at_end;
	uint32_t without[NR_TIERS];	/* filters that have no code of a tier */
};

static void make_set(struct bulk *bulk)
{
	struct set *set = &bulk->set;

	set->nr_progs = bulk->filters;
	set->nr_insns = bulk->filters * bulk->length;
	set->progs = must_calloc(set->nr_progs, sizeof(*set->progs));
	set->insns = must_calloc(set->nr_insns, sizeof(*set->insns));
	for (uint32_t i = 0; i < set->nr_progs; i++) {
		set->progs[i].first = i * bulk->length;
		set->progs[i].len = bulk->length;
		gen_program(set->insns + set->progs[i].first, bulk->length, i);
	}
}

static int load(struct bulk *bulk, int fd)
{
	uint64_t start = now_ns();
	struct bgfilter_load arg;
	int ret = device_load(fd, &bulk->set, 0, &arg);

	bulk->load_ns = now_ns() - start;
	if (!ret)
		return EXIT_OK;
	if (arg.failed < bulk->set.nr_progs)
		return bad_system("the kernel refuses filter %u: %s", arg.failed,
				  strerror(-ret));
	return bad_system("cannot load %u filters: %s", bulk->set.nr_progs,
			  strerror(-ret));
}

static int compile(struct bulk *bulk, int fd)
{
	uint64_t start = now_ns();
	struct meter meter;
	int ret;

	meter_init(&meter, true);
	ret = meter_wait(&meter, fd, BGFILTER_EVENT_TOP);
	bulk->compile_ns = now_ns() - start;
	if (!ret)
		ret = device_progress(fd, &bulk->at_end);
	return ret ? bad_system("compiling: %s", strerror(-ret)) : EXIT_OK;
}

static int check(struct bulk *bulk, int tier, const uint8_t *packet,
		 const uint8_t *verdicts)
{
	const struct set *set = &bulk->set;

	for (uint32_t i = 0; i < set->nr_progs; i++) {
		bool expected = bpf_filter(set->insns + set->progs[i].first,
					   packet, GEN_PACKET_LEN,
					   GEN_PACKET_LEN);

		if (!(verdicts[i] & ran[tier])) {
			bulk->without[tier]++;
			continue;
		}
		if (!!(verdicts[i] & BGFILTER_MATCH) == expected)
			continue;
		say("filter %u: the kernel's %s code says %s, bpf_filter() says %s",
		    i, tier == TOP ? "top-tier" : "baseline",
		    expected ? "no match" : "match",
		    expected ? "match" : "no match");
		return EXIT_DIFFERENCE;
	}
	return EXIT_OK;
}

static int run(struct bulk *bulk, int fd, int tier)
{
	uint8_t *verdicts = must_calloc(bulk->set.nr_progs, 1);
	uint8_t packet[GEN_PACKET_LEN];
	struct bgfilter_run arg = {
		.packet = (uintptr_t)packet,
		.verdicts = (uintptr_t)verdicts,
		.cap_len = GEN_PACKET_LEN,
		.wire_len = GEN_PACKET_LEN,
		.nr_verdicts = bulk->set.nr_progs,
		.tier = tier_of[tier],
	};
	uint64_t start;
	int ret;

	gen_packet(packet);
	start = now_ns();
	ret = device_run(fd, &arg);
	bulk->run_ns[tier] = now_ns() - start;
	if (ret)
		ret = bad_system("cannot run the packet: %s", strerror(-ret));
	else
		ret = check(bulk, tier, packet, verdicts);
	free(verdicts);
	return ret;
}

static double ms(uint64_t ns)
{
	return (double)ns / NSEC_PER_MSEC;
}

static void report_tier(const struct bulk *bulk, int tier, const char *name)
{
	const struct bgfilter_progress *p = &bulk->at_end;

	printf("%s\t%u of %u units, %.3f ms in steps, the longest %.3f ms",
	       name, p->done[tier], p->total[tier], ms(p->compile_ns[tier]),
	       ms(p->longest_ns[tier]));
	if (!bulk->no_run)
		printf("; one packet %.3f ms", ms(bulk->run_ns[tier]));
	putchar('\n');
	if (bulk->without[tier])
		printf("%s\t%u filters have no code of this tier\n", name,
		       bulk->without[tier]);
}

static void report(const struct bulk *bulk)
{
	printf("filters\t%" PRIu64 " of %" PRIu64 " instructions, %.1f MB\n",
	       bulk->filters, bulk->length,
	       bulk->set.nr_insns * sizeof(struct bpf_insn) / 1e6);
	printf("load\t%.3f ms\n", ms(bulk->load_ns));
	printf("compile\t%.3f ms\n", ms(bulk->compile_ns));
	report_tier(bulk, BASELINE, "baseline");
	report_tier(bulk, TOP, "top");
	if (bulk->memory_known)
		printf("memory\t%" PRIu64 " KiB while loaded\n",
		       bulk->memory_kb);
	else
		puts("memory\tunknown: /proc/meminfo does not say");
	if (!bulk->no_run)
		printf("check\t%" PRIu64 " comparisons with bpf_filter()\n",
		       NR_TIERS * bulk->filters - bulk->without[BASELINE] -
		       bulk->without[TOP]);
	printf("close\t%.3f ms\n", ms(bulk->close_ns));
}

/* What the kernel could still give away; 0 if it does not say. */
static uint64_t available_kb(void)
{
	FILE *meminfo = fopen("/proc/meminfo", "r");
	uint64_t kb = 0;
	char line[128];

	if (!meminfo)
		return 0;
	while (fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1)
			break;
	fclose(meminfo);
	return kb;
}

static int run_bulk(struct bulk *bulk)
{
	uint64_t start, before, after;
	int fd, ret;

	fd = device_open(bulk->device);
	if (fd < 0)
		return EXIT_SYSTEM;
	make_set(bulk);
	before = available_kb();
	ret = load(bulk, fd);
	if (!ret)
		ret = compile(bulk, fd);
	after = available_kb();
	bulk->memory_kb = before > after ? before - after : 0;
	bulk->memory_known = before && after;
	for (int tier = 0; !ret && !bulk->no_run && tier < NR_TIERS; tier++)
		ret = run(bulk, fd, tier);
	start = now_ns();
	close(fd);
	bulk->close_ns = now_ns() - start;
	if (!ret)
		report(bulk);
	free(bulk->set.progs);
	free(bulk->set.insns);
	return ret;
}

enum { OPT_LENGTH = 256, OPT_NO_RUN, OPT_DEVICE };

static const struct option options[] = {
	{ "filters", required_argument, NULL, 'n' },
	{ "length", required_argument, NULL, OPT_LENGTH },
	{ "no-run", no_argument, NULL, OPT_NO_RUN },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

int cmd_bulk(int argc, char **argv)
{
	struct bulk bulk = {
		.device = DEFAULT_DEVICE,
		.filters = 10000,
		.length = 1000,
	};
	bool fits = true;
	int c;

	while (fits &&
	       (c = getopt_long(argc, argv, "n:h", options, NULL)) >= 0)
		switch (c) {
		case 'n':
			fits = parse_number("-n", optarg, 1,
					    BGFILTER_MAX_FILTERS,
					    &bulk.filters);
			break;
		case OPT_LENGTH:
			fits = parse_number("--length", optarg, 1,
					    BGFILTER_MAX_PROG, &bulk.length);
			break;
		case OPT_NO_RUN:
			bulk.no_run = true;
			break;
		case OPT_DEVICE:
			bulk.device = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			fits = false;
		}
	if (fits && optind < argc) {
		say("bulk: unexpected argument \"%s\"", argv[optind]);
		fits = false;
	}
	if (fits && bulk.filters * bulk.length > BGFILTER_MAX_INSNS) {
		say("bulk: more than %u instructions in all",
		    BGFILTER_MAX_INSNS);
		fits = false;
	}
	return fits ? run_bulk(&bulk) : bad_option("bulk");
}
