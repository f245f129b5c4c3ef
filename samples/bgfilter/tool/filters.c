// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "common.h"
#include "filters.h"

/* What a matching program returns; it only has to be more than 0. */
#define SNAPLEN		262144

#define SHOWN		120

/* The name of a file as it was given, and the number of a line. */
#define MAX_PLACE	(PATH_MAX + 16)

/* Bytes of a line.  4096 instructions take far less. */
#define MAX_LINE	1048576U

/* When libpcap takes longer than that over one expression, it is named. */
#define SLOW_S		5
#define STILL_SLOW_S	10

/* Cuts white space at both ends, in place. */
static char *trim(char *line)
{
	char *end = line + strlen(line);

	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return line + strspn(line, " \t\r\n\v\f");
}

/* Room doubles: at every power of two the array is full. */
static void *grow(void *array, uint32_t used, uint32_t more, size_t size)
{
	uint64_t room = 64;
	uint64_t need = (uint64_t)used + more;

	if (used)
		while (room < used)
			room *= 2;
	if (array && need <= room)
		return array;
	while (room < need)
		room *= 2;
	return must_realloc(array, room, size);
}

char *join_words(char **words)
{
	size_t size = 1;
	char *text, *end;

	for (char **w = words; *w; w++)
		size += strlen(*w) + 1;
	text = must_calloc(size, 1);
	end = text;
	for (char **w = words; *w; w++)
		end += sprintf(end, "%s%s", w == words ? "" : " ", *w);
	return text;
}

static const char *source_name(const struct source *source)
{
	if (!source->path)
		return "the expression";
	return strcmp(source->path, "-") ? source->path : "standard input";
}

const char *filter_place(const struct filters *filters,
			 const struct filter *filter)
{
	static char text[MAX_PLACE];
	const char *name = source_name(filters->source);

	if (!filters->source->path)
		return name;
	snprintf(text, sizeof(text), "%s:%u", name, filter->line);
	return text;
}

const char *filter_shown(const struct filter *filter)
{
	static char text[SHOWN + sizeof("...")];
	bool cut = strlen(filter->text) > SHOWN;

	snprintf(text, sizeof(text), "%.*s%s", SHOWN, filter->text,
		 cut ? "..." : "");
	return text;
}

/* Expressions */

static int add_expression(struct filters *filters, const char *text,
			  unsigned int line)
{
	if (filters->read == BGFILTER_MAX_FILTERS)
		return bad_input("%s:%u: more than %u filters",
				 source_name(filters->source), line,
				 BGFILTER_MAX_FILTERS);
	filters->filters = grow(filters->filters, filters->read, 1,
				sizeof(*filters->filters));
	filters->filters[filters->read++] = (struct filter){
		.text = must_strdup(text),
		.line = line,
	};
	return EXIT_OK;
}

/* One line, of @len bytes. */
static int take_line(struct filters *filters, char *line, size_t len,
		     unsigned int number)
{
	const char *text;

	if (strlen(line) != len)
		return bad_input("%s:%u: a NUL byte",
				 source_name(filters->source), number);
	text = trim(line);
	if (*text && *text != '#')
		return add_expression(filters, text, number);
	return EXIT_OK;
}

/*
 * Like getline(), into @line, which has room for MAX_LINE and a NUL.  Return: its
 * length, which is more if the line is longer; -1 at the end, or on an error.
 */
static ssize_t read_line(char *line, FILE *file)
{
	size_t len = 0;
	int c = 0;

	while (c != '\n' && len <= MAX_LINE) {
		c = getc(file);
		if (c == EOF)
			break;
		if (len < MAX_LINE)
			line[len] = c;
		len++;
	}
	if (ferror(file) || !len)
		return -1;
	line[len < MAX_LINE ? len : MAX_LINE] = '\0';
	return len;
}

static int read_lines(struct filters *filters, FILE *file)
{
	const char *name = source_name(filters->source);
	unsigned int number = 0;
	char *line = must_calloc(MAX_LINE + 1, 1);
	int ret = EXIT_OK;

	while (!ret) {
		ssize_t len;

		errno = 0;
		len = read_line(line, file);
		if (len > MAX_LINE)
			ret = bad_input("%s:%u: longer than %u bytes", name,
					number + 1, MAX_LINE);
		else if (len >= 0)
			ret = take_line(filters, line, len, ++number);
		else if (!ferror(file))
			break;
		else if (errno == ENOMEM)
			ret = bad_system("%s: %s", name, strerror(errno));
		else
			ret = bad_input("%s: %s", name, strerror(errno));
	}
	free(line);
	return ret;
}

static int read_file(struct filters *filters, const char *path)
{
	bool standard = !strcmp(path, "-");
	FILE *file = standard ? stdin : fopen(path, "r");
	int ret;

	if (!file && errno == ENOMEM)
		return bad_system("%s: %s", path, strerror(errno));
	if (!file)
		return bad_input("%s: %s", path, strerror(errno));
	ret = read_lines(filters, file);
	if (!standard)
		fclose(file);
	if (!ret && !filters->read)
		ret = bad_input("%s: no filters", source_name(filters->source));
	return ret;
}

/* Programs */

/* Programs are put at the front as they come: @from is never before the end. */
static int add_program(struct filters *filters, uint32_t from,
		       const struct bpf_program *prog)
{
	struct set *set = &filters->set;
	const char *place = filter_place(filters, &filters->filters[from]);
	uint32_t n = set->nr_progs;

	if (prog->bf_len > BGFILTER_MAX_PROG)
		return bad_input("%s: the filter has %u instructions, and %u are the limit",
				 place, prog->bf_len, BGFILTER_MAX_PROG);
	if (prog->bf_len > BGFILTER_MAX_INSNS - set->nr_insns)
		return bad_input("%s: more than %u instructions in all",
				 place, BGFILTER_MAX_INSNS);

	set->progs = grow(set->progs, n, 1, sizeof(*set->progs));
	set->insns = grow(set->insns, set->nr_insns, prog->bf_len,
			  sizeof(*set->insns));
	set->progs[n].first = set->nr_insns;
	set->progs[n].len = prog->bf_len;
	memcpy(set->insns + set->nr_insns, prog->bf_insns,
	       prog->bf_len * sizeof(*set->insns));
	set->nr_progs = n + 1;
	set->nr_insns += prog->bf_len;
	return EXIT_OK;
}

static char slow_notice[MAX_PLACE + 512];

static void on_alarm(int sig)
{
	int err = errno;

	(void)sig;
	if (bar_drawn && write(STDERR_FILENO, "\n", 1) == 1)
		bar_drawn = 0;
	if (write(STDERR_FILENO, slow_notice, strlen(slow_notice)) < 0)
		slow_notice[0] = '\0';
	errno = err;
}

/* Around each call of libpcap's compiler, which may take minutes. */
static void begin_slow(const struct filters *filters,
		       const struct filter *filter)
{
	const struct itimerval timer = {
		.it_value.tv_sec = SLOW_S,
		.it_interval.tv_sec = STILL_SLOW_S,
	};
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	snprintf(slow_notice, sizeof(slow_notice),
		 "%s: %s: libpcap is still compiling this (^C ends it%s): %s\n",
		 program_invocation_short_name, filter_place(filters, filter),
		 filters->source->no_optimizer ? "" :
						 "; -O leaves its optimizer out",
		 filter_shown(filter));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void end_slow(void)
{
	const struct itimerval off = { };

	setitimer(ITIMER_REAL, &off, NULL);
}

static int compile(struct filters *filters, pcap_t *pcap, uint32_t i)
{
	const struct source *source = filters->source;
	const struct filter *filter = &filters->filters[i];
	struct bpf_program prog;
	int no_memory, ret;

	begin_slow(filters, filter);
	errno = 0;
	ret = pcap_compile(pcap, &prog, filter->text, !source->no_optimizer,
			   source->netmask);
	no_memory = ret < 0 && errno == ENOMEM;
	end_slow();
	if (no_memory)
		return bad_system("%s: %s: %s", filter_place(filters, filter),
				  pcap_geterr(pcap), filter_shown(filter));
	if (ret < 0)
		return bad_input("%s: %s: %s", filter_place(filters, filter),
				 pcap_geterr(pcap), filter_shown(filter));
	ret = add_program(filters, i, &prog);
	pcap_freecode(&prog);
	return ret;
}

/* What is skipped leaves a gap, which the next one fills. */
static int compile_all(struct filters *filters, pcap_t *pcap)
{
	struct meter meter;
	int ret = EXIT_OK;
	uint32_t i;

	meter_init(&meter, filters->source->progress);
	for (i = 0; i < filters->read; i++) {
		struct filter *filter = &filters->filters[i];

		ret = compile(filters, pcap, i);
		if (ret == EXIT_BAD_INPUT && filters->source->skip_bad) {
			filters->skipped++;
			ret = EXIT_OK;
			free(filter->text);
			filter->text = NULL;
		} else if (ret) {
			break;
		} else if (filters->skipped) {
			filters->filters[i - filters->skipped] = *filter;
			filter->text = NULL;
		}
		meter_count(&meter, "expressions", i + 1, filters->read);
	}
	end_bar();
	if (!ret && !filters->set.nr_progs)
		ret = bad_input("%s: no filter is left",
				source_name(filters->source));
	return ret;
}

int filters_read(struct filters *filters, const struct source *source)
{
	pcap_t *dead = NULL;
	int ret = EXIT_OK;

	*filters = (struct filters){ .source = source };
	if (source->path)
		ret = read_file(filters, source->path);
	else
		ret = add_expression(filters, source->expression, 1);
	/*
	 * Not the handle of an interface, for which libpcap makes loads that
	 * only a socket of Linux's can do.
	 */
	if (!ret && !source->file) {
		dead = pcap_open_dead(source->link, SNAPLEN);
		if (!dead)
			ret = bad_system("out of memory");
	}
	if (!ret)
		ret = compile_all(filters, source->file ?: dead);
	if (dead)
		pcap_close(dead);
	if (ret)
		filters_free(filters);
	return ret;
}

void filters_free(struct filters *filters)
{
	for (uint32_t i = 0; i < filters->read; i++)
		free(filters->filters[i].text);
	free(filters->filters);
	free(filters->set.progs);
	free(filters->set.insns);
	memset(filters, 0, sizeof(*filters));
}

/* The kernel's refusals */

static const char *reason_text(uint32_t reason)
{
	static const char *const texts[] = {
		[BGFILTER_BAD_EMPTY] = "there is none",
		[BGFILTER_BAD_LONG] = "there are too many",
		[BGFILTER_BAD_POOL] = "it is not among those that were loaded",
		[BGFILTER_BAD_TOTAL] = "there are too many in all",
		[BGFILTER_BAD_OPCODE] = "not an instruction of classic BPF",
		[BGFILTER_BAD_OFFSET] =
			"an offset of 2^31 or more: on Linux that means data that only a socket has",
		[BGFILTER_BAD_CELL] = "there is no such word of scratch memory",
		[BGFILTER_BAD_UNWRITTEN] =
			"a word of scratch memory that may not have been written",
		[BGFILTER_BAD_DIVISOR] = "a division by zero",
		[BGFILTER_BAD_SHIFT] = "a shift by 32 or more",
		[BGFILTER_BAD_JUMP] = "a jump past the end",
		[BGFILTER_BAD_LOOP] =
			"a jump backwards, and the kernel runs no loops",
		[BGFILTER_BAD_END] = "the last instruction is no return",
	};

	if (reason >= ARRAY_SIZE(texts) || !texts[reason])
		return "the kernel does not say why";
	return texts[reason];
}

static int refused(const struct filters *filters,
		   const struct bgfilter_load *load)
{
	const struct filter *filter = &filters->filters[load->failed];
	const struct bgfilter_prog *prog = &filters->set.progs[load->failed];
	const char *image = "", *end;

	if (load->insn < prog->len)
		image = bpf_image(filter_insns(filters, load->failed) + load->insn,
				  load->insn);
	/* It begins with the number in parentheses, which was said. */
	end = *image == '(' ? strchr(image, ')') : NULL;
	if (end)
		image = end + 1 + strspn(end + 1, " ");
	return bad_input("%s: the kernel cannot run instruction %u: %s: %s: %s",
			 filter_place(filters, filter), load->insn, image,
			 reason_text(load->reason), filter_shown(filter));
}

/* Takes out filter @i; its instructions stay in the pool. */
static void take_out(struct filters *filters, uint32_t i)
{
	struct set *set = &filters->set;
	uint32_t behind = --set->nr_progs - i;

	free(filters->filters[i].text);
	memmove(filters->filters + i, filters->filters + i + 1,
		behind * sizeof(*filters->filters));
	memmove(set->progs + i, set->progs + i + 1,
		behind * sizeof(*set->progs));
	filters->filters[set->nr_progs].text = NULL;
	filters->skipped++;
}

int filters_load(struct filters *filters, int fd, uint32_t tiers)
{
	struct bgfilter_load load;

	while (!interrupted) {
		int ret = device_load(fd, &filters->set, tiers, &load);

		if (!ret)
			return EXIT_OK;
		if (ret == -EINTR)
			break;
		if ((ret != -EINVAL && ret != -E2BIG) ||
		    load.failed >= filters->set.nr_progs)
			return bad_system("cannot load the filters: %s",
					  strerror(-ret));
		ret = refused(filters, &load);
		if (!filters->source->skip_bad)
			return ret;
		take_out(filters, load.failed);
		if (!filters->set.nr_progs)
			return bad_input("%s: no filter is left",
					 source_name(filters->source));
	}
	return EXIT_INTERRUPTED;
}
