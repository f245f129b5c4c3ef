// SPDX-License-Identifier: GPL-2.0-only
/*
 * bgfilter cancel: how long close() takes in the middle of compilation.
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

#define POLL_NS		(50 * NSEC_PER_USEC)
#define MAX_DELAY_NS	(4 * NSEC_PER_MSEC)
#define WARM_UP_UNITS	8
#define WARM_UP_LIMIT	(10 * NSEC_PER_SEC)
#define MISSES_A_ROUND	20

static const char help[] =
"Usage: bgfilter cancel [OPTION]...\n"
"\n"
"Loads many long filters, such as libpcap makes of a long chain of hosts and\n"
"ports, waits until every worker is inside a compile step with most of the units\n"
"still to come, and times close(), over and over, and before each the close of a\n"
"file that nothing was loaded into.  Prints a table, and a line for programs.\n"
"\n"
"  -n, --filters=N     filters in a set (2000)\n"
"      --rounds=R      times to close (200)\n"
"      --length=INSNS  instructions of a filter (4096)\n"
"      --tiers=TIERS   top (default) or both\n"
"      --tsv           print a header line and one row instead\n"
"      --progress      show how far things are, on stderr\n"
"      --device=PATH   instead of " DEFAULT_DEVICE "\n"
"  -h, --help          this text\n"
"\n"
"Exit codes: 0 done; 2 bad usage; 3 the device or the system failed; 130 ended\n"
"by a signal, after printing what there was.\n";

struct cancel {
	/* From the command line. */
	const char *device;
	uint64_t filters;
	uint64_t rounds;
	uint64_t length;
	uint32_t tiers;
	bool tsv;
	bool progress;

	struct set set;
	uint32_t floor;		/* fewer units outstanding: a miss */
	uint64_t random;

	/* What came of it. */
	uint64_t *close_ns;	/* each round; sorted for the report */
	uint64_t *empty_ns;	/* the same of a file with no set */
	uint64_t done;		/* rounds */
	uint64_t misses;	/* rounds that did not catch the workers */
	uint32_t least_outstanding;
	uint64_t longest_ns;	/* of the compile steps of any round */
};

/* The outcome of one round, or an exit code. */
enum { ROUND_CAUGHT = -1, ROUND_MISSED = -2 };

static uint64_t random_up_to(struct cancel *cancel, uint64_t limit)
{
	uint64_t x = cancel->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	cancel->random = x;
	return x % (limit + 1);
}

static void note_longest(struct cancel *cancel,
			 const struct bgfilter_progress *p)
{
	for (int tier = 0; tier < NR_TIERS; tier++)
		if (p->longest_ns[tier] > cancel->longest_ns)
			cancel->longest_ns = p->longest_ns[tier];
}

static int get_progress(struct cancel *cancel, int fd,
			struct bgfilter_progress *p)
{
	int ret = device_progress(fd, p);

	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	if (ret)
		return bad_system("%s: %s", cancel->device, strerror(-ret));
	if (p->error)
		return bad_system("the set failed: %s", strerror(-p->error));
	note_longest(cancel, p);
	return EXIT_OK;
}

static int open_and_load(struct cancel *cancel, int *fd)
{
	struct bgfilter_load load;
	int ret;

	*fd = device_open(cancel->device);
	if (*fd < 0)
		return EXIT_SYSTEM;
	ret = device_load(*fd, &cancel->set, cancel->tiers, &load);
	if (!ret)
		return EXIT_OK;
	close(*fd);
	if (ret == -EINTR)
		return EXIT_INTERRUPTED;
	return bad_system("cannot load %u filters: %s", cancel->set.nr_progs,
			  strerror(-ret));
}

/* Every task is in a unit; "tasks" counts the queued ones too. */
static bool all_inside(const struct bgfilter_progress *p)
{
	return p->tasks && p->compiling && p->compiling >= p->tasks;
}

/* Return: ROUND_CAUGHT, ROUND_MISSED, or an exit code. */
static int catch_workers(struct cancel *cancel, int fd,
			 struct bgfilter_progress *p)
{
	for (;;) {
		int ret = get_progress(cancel, fd, p);

		if (ret)
			return ret;
		if (interrupted)
			return EXIT_INTERRUPTED;
		if (units_outstanding(p) < cancel->floor)
			return ROUND_MISSED;
		if (all_inside(p))
			return ROUND_CAUGHT;
		sleep_ns(POLL_NS);
	}
}

/* Anywhere in the first half of a step, so that the rest has to be waited for. */
static uint64_t delay_ns(struct cancel *cancel)
{
	uint64_t half = cancel->longest_ns / 2;

	return random_up_to(cancel, half < MAX_DELAY_NS ? half : MAX_DELAY_NS);
}

static uint64_t timed_close(int fd)
{
	uint64_t start = now_ns();

	close(fd);
	return now_ns() - start;
}

static int one_round(struct cancel *cancel)
{
	struct bgfilter_progress p;
	uint64_t ns, empty_ns = 0;
	int fd, ret;

	if (cancel->rounds > 1) {
		fd = device_open(cancel->device);
		if (fd < 0)
			return EXIT_SYSTEM;
		empty_ns = timed_close(fd);
	}
	ret = open_and_load(cancel, &fd);
	if (ret)
		return ret;
	ret = catch_workers(cancel, fd, &p);
	if (ret == ROUND_CAUGHT) {
		sleep_ns(delay_ns(cancel));
		ret = catch_workers(cancel, fd, &p);
	}

	ns = timed_close(fd);
	if (ret != ROUND_CAUGHT)
		return ret;
	cancel->empty_ns[cancel->done] = empty_ns;
	cancel->close_ns[cancel->done++] = ns;
	if (units_outstanding(&p) < cancel->least_outstanding)
		cancel->least_outstanding = units_outstanding(&p);
	return ROUND_CAUGHT;
}

/* Not counted: finds out how long a compile step takes. */
static int warm_up(struct cancel *cancel)
{
	uint64_t deadline = now_ns() + WARM_UP_LIMIT;
	struct bgfilter_progress p;
	int fd, ret;

	ret = open_and_load(cancel, &fd);
	if (ret)
		return ret;
	do {
		ret = get_progress(cancel, fd, &p);
		if (ret)
			break;
		if (interrupted) {
			ret = EXIT_INTERRUPTED;
			break;
		}
		if (!units_outstanding(&p) || p.done[TOP] >= WARM_UP_UNITS)
			break;
		sleep_ns(POLL_NS);
	} while (now_ns() < deadline);
	close(fd);
	return ret;
}

static int all_rounds(struct cancel *cancel)
{
	struct meter meter;
	int ret;

	meter_init(&meter, cancel->progress);
	/* A single round is for a trace: nothing else is to be in it. */
	ret = cancel->rounds > 1 ? warm_up(cancel) : EXIT_OK;
	while (!ret && cancel->done < cancel->rounds) {
		ret = one_round(cancel);
		if (ret == ROUND_CAUGHT)
			meter_count(&meter, "rounds", cancel->done,
				    cancel->rounds);
		else if (ret == ROUND_MISSED &&
			 ++cancel->misses > MISSES_A_ROUND * (cancel->done + 1))
			return bad_system("units finish too soon to be caught: use a larger -n");
		if (ret < 0)
			ret = EXIT_OK;
	}
	end_bar();
	return ret;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double us(uint64_t ns)
{
	return (double)ns / NSEC_PER_USEC;
}

/* The middle one, or the mean of the middle two. */
static double median_us(const uint64_t *sorted, uint64_t n)
{
	return (us(sorted[(n - 1) / 2]) + us(sorted[n / 2])) / 2;
}

/* Nearest rank: the least value that @percent of all do not exceed. */
static double percentile_us(const uint64_t *sorted, uint64_t n,
			    unsigned int percent)
{
	uint64_t rank = (n * percent + 99) / 100;

	return us(sorted[rank ? rank - 1 : 0]);
}

/* One line of the table, and one column of --tsv. */
struct figure {
	const char *key;
	const char *label;
	char value[32];
};

enum {
	TEARDOWN, FILTERS, LENGTH, TIERS, ROUNDS, MISSED, OUTSTANDING, MIN,
	MEDIAN, P99, MAX, EMPTY, LONGEST, NR_FIGURES,
};

static void set_text(struct figure *figure, const char *text)
{
	snprintf(figure->value, sizeof(figure->value), "%s", text);
}

static void set_count(struct figure *figure, uint64_t n)
{
	snprintf(figure->value, sizeof(figure->value), "%" PRIu64, n);
}

static void set_us(struct figure *figure, double us)
{
	snprintf(figure->value, sizeof(figure->value), "%.2f", us);
}

static void print_tsv(const struct figure *figures)
{
	for (int i = 0; i < NR_FIGURES; i++)
		printf("%s%c", figures[i].key,
		       i < NR_FIGURES - 1 ? '\t' : '\n');
	for (int i = 0; i < NR_FIGURES; i++)
		printf("%s%c", figures[i].value,
		       i < NR_FIGURES - 1 ? '\t' : '\n');
}

static void print_table(const struct figure *figures)
{
	for (int i = 0; i < NR_FIGURES; i++)
		printf("%-28s %12s\n", figures[i].label, figures[i].value);
	printf("cancel:");
	for (int i = 0; i < NR_FIGURES; i++)
		printf(" %s=%s", figures[i].key, figures[i].value);
	putchar('\n');
}

static void report(struct cancel *cancel)
{
	struct figure figures[NR_FIGURES] = {
		[TEARDOWN] = { "teardown", "teardown", "" },
		[FILTERS] = { "filters", "filters", "" },
		[LENGTH] = { "length", "instructions of each", "" },
		[TIERS] = { "tiers", "tiers", "" },
		[ROUNDS] = { "rounds", "rounds", "" },
		[MISSED] = { "missed", "rounds begun again", "" },
		[OUTSTANDING] = { "outstanding_min", "units to come, at least", "" },
		[MIN] = { "min_us", "close(), minimum, us", "" },
		[MEDIAN] = { "median_us", "close(), median, us", "" },
		[P99] = { "p99_us", "close(), p99, us", "" },
		[MAX] = { "max_us", "close(), maximum, us", "" },
		[EMPTY] = { "empty_us", "close(), nothing loaded, us", "" },
		[LONGEST] = { "longest_step_us", "longest compile step, us", "" },
	};
	uint64_t *t = cancel->close_ns;
	uint64_t n = cancel->done;

	qsort(t, n, sizeof(*t), compare_ns);
	qsort(cancel->empty_ns, n, sizeof(*t), compare_ns);
	set_text(&figures[TEARDOWN], device_teardown());
	set_count(&figures[FILTERS], cancel->filters);
	set_count(&figures[LENGTH], cancel->length);
	set_text(&figures[TIERS],
		 cancel->tiers == BGFILTER_TIER_TOP ? "top" : "both");
	set_count(&figures[ROUNDS], n);
	set_count(&figures[MISSED], cancel->misses);
	set_count(&figures[OUTSTANDING], cancel->least_outstanding);
	set_us(&figures[MIN], us(t[0]));
	set_us(&figures[MEDIAN], median_us(t, n));
	set_us(&figures[P99], percentile_us(t, n, 99));
	set_us(&figures[MAX], us(t[n - 1]));
	set_us(&figures[EMPTY], median_us(cancel->empty_ns, n));
	set_us(&figures[LONGEST], us(cancel->longest_ns));
	if (cancel->tsv)
		print_tsv(figures);
	else
		print_table(figures);
}

/* All programs are the same instructions: the load is short, the work is not. */
static void make_set(struct cancel *cancel)
{
	struct set *set = &cancel->set;

	set->nr_insns = cancel->length;
	set->insns = must_calloc(set->nr_insns, sizeof(*set->insns));
	gen_chain(set->insns, set->nr_insns, 1);
	set->nr_progs = cancel->filters;
	set->progs = must_calloc(set->nr_progs, sizeof(*set->progs));
	for (uint32_t i = 0; i < set->nr_progs; i++)
		set->progs[i].len = set->nr_insns;
}

static int run_cancel(struct cancel *cancel)
{
	int ret;

	leave_at_once = 0;
	make_set(cancel);
	cancel->floor = (cancel->filters + 1) / 2;
	cancel->least_outstanding = UINT32_MAX;
	cancel->random = now_ns() | 1;
	cancel->close_ns = must_calloc(cancel->rounds,
				       sizeof(*cancel->close_ns));
	cancel->empty_ns = must_calloc(cancel->rounds,
				       sizeof(*cancel->empty_ns));
	ret = all_rounds(cancel);
	if ((!ret || ret == EXIT_INTERRUPTED) && cancel->done)
		report(cancel);
	free(cancel->close_ns);
	free(cancel->empty_ns);
	free(cancel->set.progs);
	free(cancel->set.insns);
	return ret;
}

static bool parse_tiers(const char *text, uint32_t *tiers)
{
	if (!strcmp(text, "top"))
		*tiers = BGFILTER_TIER_TOP;
	else if (!strcmp(text, "both"))
		*tiers = BGFILTER_TIER_BASELINE | BGFILTER_TIER_TOP;
	else
		return false;
	return true;
}

enum {
	OPT_ROUNDS = 256,
	OPT_LENGTH,
	OPT_TIERS,
	OPT_TSV,
	OPT_PROGRESS,
	OPT_DEVICE,
};

static const struct option options[] = {
	{ "filters", required_argument, NULL, 'n' },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "length", required_argument, NULL, OPT_LENGTH },
	{ "tiers", required_argument, NULL, OPT_TIERS },
	{ "tsv", no_argument, NULL, OPT_TSV },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

int cmd_cancel(int argc, char **argv)
{
	struct cancel cancel = {
		.device = DEFAULT_DEVICE,
		.filters = 2000,
		.rounds = 200,
		.length = BGFILTER_MAX_PROG,
		.tiers = BGFILTER_TIER_TOP,
	};
	bool fits = true;
	int c;

	while (fits &&
	       (c = getopt_long(argc, argv, "n:h", options, NULL)) >= 0)
		switch (c) {
		case 'n':
			fits = parse_number("-n", optarg, 1,
					    BGFILTER_MAX_FILTERS,
					    &cancel.filters);
			break;
		case OPT_ROUNDS:
			fits = parse_number("--rounds", optarg, 1, 10000000,
					    &cancel.rounds);
			break;
		case OPT_LENGTH:
			fits = parse_number("--length", optarg, 1,
					    BGFILTER_MAX_PROG, &cancel.length);
			break;
		case OPT_TIERS:
			fits = parse_tiers(optarg, &cancel.tiers);
			if (!fits)
				say("--tiers takes top or both, not \"%s\"",
				    optarg);
			break;
		case OPT_TSV:
			cancel.tsv = true;
			break;
		case OPT_PROGRESS:
			cancel.progress = true;
			break;
		case OPT_DEVICE:
			cancel.device = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_OK;
		default:
			fits = false;
		}
	if (fits && optind < argc) {
		say("cancel: unexpected argument \"%s\"", argv[optind]);
		fits = false;
	}
	return fits ? run_cancel(&cancel) : bad_option("cancel");
}
