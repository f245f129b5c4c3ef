// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who creates tokens, and which are alive: creation sites and what lockdep knows of them, ids,
 * and the lists in /sys/kernel/debug/bgtoken/.  Included by bgtoken.c, which says why.
 *
 * A place lasts for as long as this module does, as a token may outlive the module that
 * created it.  A token is on a shelf until its last put; readers walk the shelves under RCU,
 * and hold a reference on a token while showing it.
 *
 * P: bgtoken_places_lock to find or add one; a place is only read afterwards.
 * S: shelf->lock to change, RCU to read.
 */
#include <linux/cookie.h>
#include <linux/debugfs.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>

/* Sites */

#define BGTOKEN_PLACES	256	/* sites after these are not told apart, nor checked by lockdep */

/*
 * What is known of a creation site, even after its module has gone.  A place is found again by
 * its contents, also if that module is removed and inserted again.  Lockdep's keys and names
 * are in this module's own memory, since lockdep forgets all of that when the module goes; of
 * a key registered with lockdep_register_key(), it would not forget what nested scopes made of
 * it.
 */
struct bgtoken_place {
	unsigned int file_hash;
	int line;
	char name[BGTOKEN_SITE_LEN];
	char file[BGTOKEN_SITE_LEN];	/* MODULE:FILE */
#ifdef CONFIG_LOCKDEP
	struct lock_class_key scope[BGTOKEN_KINDS];
	struct lock_class_key line_key[BGTOKEN_KINDS];
	struct lock_class_key works;
	struct lockdep_map works_map;
	char scope_name[2 * BGTOKEN_SITE_LEN + 16];
	char works_name[2 * BGTOKEN_SITE_LEN + 16];
#endif
};

static struct bgtoken_place bgtoken_places[BGTOKEN_PLACES];	/* P */
static unsigned int bgtoken_nr_places;				/* P */
static DEFINE_SPINLOCK(bgtoken_places_lock);

/* The place of all sites that are not told apart. */
static struct bgtoken_place bgtoken_nowhere = {
	.name = "bgtoken",
	.file = "(unknown)",
#ifdef CONFIG_LOCKDEP
	.scope_name = "bgtoken",
	.works_map = STATIC_LOCKDEP_MAP_INIT("bgtoken works", &__lockdep_no_validate__),
#endif
};

/* For any number, as that of a token that was put too often may be anything. */
static struct bgtoken_place *bgtoken_place(const struct bgtoken *token)
{
	unsigned int i = READ_ONCE(token->place) - 1;

	return i < BGTOKEN_PLACES ? &bgtoken_places[i] : &bgtoken_nowhere;
}

/* Warn of a misuse once, and say where the token was created. */
#define BGTOKEN_WARN_ONCE(_condition, _token, _what)			\
	WARN_ONCE(_condition, "bgtoken: " _what ": %s, created at %s:%d\n", \
		  bgtoken_place(_token)->name, bgtoken_place(_token)->file, \
		  bgtoken_place(_token)->line)

static bool bgtoken_is_place(const struct bgtoken_place *place, const struct bgtoken_site *site,
			     unsigned int file_hash)
{
	return place->line == site->line && place->file_hash == file_hash &&
	       !strncmp(place->name, site->name, sizeof(place->name) - 1);
}

static void bgtoken_place_init(struct bgtoken_place *place, const struct bgtoken_site *site,
			       unsigned int file_hash)
{
	const char *module_end = strchr(site->file, ':');
	const char *path = module_end ? module_end + 1 : site->file;
	char file[BGTOKEN_SITE_LEN];

	snprintf(file, sizeof(file), "%.*s%s", (int)(path - site->file), site->file,
		 kbasename(path));
	place->file_hash = file_hash;
	place->line = site->line;
	strscpy(place->name, site->name, sizeof(place->name));
	strscpy(place->file, file, sizeof(place->file));
#ifdef CONFIG_LOCKDEP
	snprintf(place->scope_name, sizeof(place->scope_name), "%.*s, %s:%d",
		 BGTOKEN_SITE_LEN - 1, site->name, file, site->line);
	snprintf(place->works_name, sizeof(place->works_name), "%.*s works, %s:%d",
		 BGTOKEN_SITE_LEN - 1, site->name, file, site->line);
	lockdep_init_map(&place->works_map, place->works_name, &place->works, 0);
#endif
}

/* The site's number, from 1; BGTOKEN_PLACES + 1 is nowhere. */
static noinline unsigned int bgtoken_find_place(struct bgtoken_site *site)
{
	unsigned int hash = full_name_hash(NULL, site->file, strlen(site->file));
	unsigned int i = 0;
	unsigned long flags;

	spin_lock_irqsave(&bgtoken_places_lock, flags);
	while (i < bgtoken_nr_places && !bgtoken_is_place(&bgtoken_places[i], site, hash))
		i++;
	if (i == bgtoken_nr_places && i < BGTOKEN_PLACES) {
		bgtoken_place_init(&bgtoken_places[i], site, hash);
		WRITE_ONCE(bgtoken_nr_places, i + 1);
	}
	spin_unlock_irqrestore(&bgtoken_places_lock, flags);
	if (i == BGTOKEN_PLACES)
		pr_warn_once("bgtoken: only the first %d creation sites are told apart\n",
			     BGTOKEN_PLACES);
	/* Release: what is known of it comes before (site). */
	smp_store_release(&site->place, i + 1);
	return i + 1;
}

static unsigned int bgtoken_place_of(struct bgtoken_site *site)
{
	/* Acquire: what is known of it comes after (site). */
	return smp_load_acquire(&site->place) ?: bgtoken_find_place(site);
}

#ifdef CONFIG_LOCKDEP
static void bgtoken_set_class(struct bgtoken *token)
{
	struct bgtoken_place *place = bgtoken_place(token);
	enum bgtoken_kind kind = bgtoken_kind(token);
	struct lock_class_key *scope = &place->scope[kind];
	struct lock_class_key *line = &place->line_key[kind];

	if (place == &bgtoken_nowhere) {	/* see __bgtoken_subclass() */
		scope = &__lockdep_no_validate__;
		line = &__lockdep_no_validate__;
	}
	lockdep_init_map_wait(&token->dep_map, place->scope_name, scope, 0,
			      kind == BGTOKEN_SPIN ? LD_WAIT_CONFIG : LD_WAIT_SLEEP);
	if (kind == BGTOKEN_MUTEX)
		lockdep_set_class_and_name(&token->mutex, line, "bgtoken_line");
	else if (kind == BGTOKEN_SPIN)
		lockdep_set_class_and_name(&token->spin, line, "bgtoken_line");
}

/*
 * Works of the token that others wait for hold this map while they run, and whoever
 * waits for them takes it.  All tokens of a place share one.
 */
struct lockdep_map *__bgtoken_works_map(struct bgtoken *token)
{
	return &bgtoken_place(token)->works_map;
}
EXPORT_SYMBOL_GPL(__bgtoken_works_map);
#else
static void bgtoken_set_class(struct bgtoken *token)
{
}
#endif /* CONFIG_LOCKDEP */

/* Ids, in batches for each CPU, so that creating a token writes to no shared word */

DEFINE_COOKIE(bgtoken_ids);

static u64 bgtoken_next_id(void)
{
	u64 id;

	preempt_disable();
	id = gen_cookie_next(&bgtoken_ids);
	preempt_enable();
	return id;
}

/* Shelves */

#ifdef CONFIG_DEBUG_FS
/* By batches of ids: what a CPU creates in one go shares a shelf, most often one of its own. */
static struct bgtoken_shelf {
	spinlock_t lock;		/* to change the list */
	struct hlist_head tokens;	/* S */
} ____cacheline_aligned_in_smp bgtoken_shelves[16];

static struct bgtoken_shelf *bgtoken_shelf_of(const struct bgtoken *token)
{
	return &bgtoken_shelves[token->id / COOKIE_LOCAL_BATCH % ARRAY_SIZE(bgtoken_shelves)];
}

static void bgtoken_shelve(struct bgtoken *token)
{
	struct bgtoken_shelf *shelf = bgtoken_shelf_of(token);
	unsigned long flags;

	spin_lock_irqsave(&shelf->lock, flags);
	hlist_add_head_rcu(&token->shelf_node, &shelf->tokens);
	spin_unlock_irqrestore(&shelf->lock, flags);
}

static void bgtoken_unshelve(struct bgtoken *token)
{
	struct bgtoken_shelf *shelf = bgtoken_shelf_of(token);
	unsigned long flags;

	spin_lock_irqsave(&shelf->lock, flags);
	hlist_del_rcu(&token->shelf_node);
	spin_unlock_irqrestore(&shelf->lock, flags);
}

static struct bgtoken *bgtoken_first_from(struct bgtoken_shelf *shelf)
{
	for (; shelf < &bgtoken_shelves[ARRAY_SIZE(bgtoken_shelves)]; shelf++) {
		struct hlist_node *node = rcu_dereference(hlist_first_rcu(&shelf->tokens));

		if (node)
			return hlist_entry(node, struct bgtoken, shelf_node);
	}
	return NULL;
}

/* Also of a token that has been taken off its shelf meanwhile. */
static struct bgtoken *bgtoken_next(struct bgtoken *token)
{
	struct hlist_node *node = rcu_dereference(hlist_next_rcu(&token->shelf_node));

	return node ? hlist_entry(node, struct bgtoken, shelf_node) :
		      bgtoken_first_from(bgtoken_shelf_of(token) + 1);
}

#define for_each_shelved_token(_token)					\
	for (_token = bgtoken_first_from(bgtoken_shelves); _token;	\
	     _token = bgtoken_next(_token))

static const char *const bgtoken_kind_names[BGTOKEN_KINDS] = {
	[BGTOKEN_MUTEX]		= "mutex",
	[BGTOKEN_SHARED]	= "shared",
	[BGTOKEN_SPIN]		= "spin",
	[BGTOKEN_PERCPU]	= "percpu",
};

static const char *bgtoken_state_name(int word)
{
	if (word & BGTOKEN_CLAIMED)
		return "cancelled";
	if (word & BGTOKEN_CANCELLED)
		return "refused";
	return word & BGTOKEN_PAUSED ? "paused" : "open";
}

static void *tokens_start(struct seq_file *seq, loff_t *pos)
	__acquires_shared(RCU)
{
	struct bgtoken *token;
	loff_t n = *pos;

	rcu_read_lock();
	if (!n--)
		return SEQ_START_TOKEN;
	for_each_shelved_token(token)
		if (!n--)
			break;
	return token;
}

static void *tokens_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return v == SEQ_START_TOKEN ? bgtoken_first_from(bgtoken_shelves) : bgtoken_next(v);
}

static void tokens_stop(struct seq_file *seq, void *v)
	__releases_shared(RCU)
{
	rcu_read_unlock();
}

static int tokens_show(struct seq_file *seq, void *v)
{
	struct bgtoken *token = v;
	int word;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "#       id kind   state     refs scopes pending name, created at\n");
		return 0;
	}
	token = bgtoken_get_unless_zero(token);
	if (!token)
		return SEQ_SKIP;
	word = atomic_read(&token->scopes);
	seq_printf(seq, "%10llu %-6s %-9s %4u %6d %7u %s, %s:%d\n", token->id,
		   bgtoken_kind_names[bgtoken_kind(token)], bgtoken_state_name(word),
		   kref_read(&token->kref) - 1,	/* without this one */
		   word & BGTOKEN_SPREAD ? bgtoken_sum(token) : word & BGTOKEN_LIVE,
		   READ_ONCE(token->pending), bgtoken_place(token)->name,
		   bgtoken_place(token)->file, bgtoken_place(token)->line);
	bgtoken_put(token);
	return 0;
}

static const struct seq_operations tokens_sops = {
	.start	= tokens_start,
	.next	= tokens_next,
	.stop	= tokens_stop,
	.show	= tokens_show,
};
DEFINE_SEQ_ATTRIBUTE(tokens);

static int totals_show(struct seq_file *seq, void *v)
{
	unsigned long kinds[BGTOKEN_KINDS] = { }, cancelled = 0, paused = 0;
	struct bgtoken *token;
	unsigned int i;

	rcu_read_lock();
	for_each_shelved_token(token) {
		int word = atomic_read(&token->scopes);

		kinds[bgtoken_kind(token)]++;
		cancelled += word < 0;
		paused += word >= 0 && word & BGTOKEN_PAUSED;
	}
	rcu_read_unlock();
	seq_printf(seq, "tokens %ld\n", live_sum(&live_counter(tokens)));
	for (i = 0; i < BGTOKEN_KINDS; i++)
		seq_printf(seq, "tokens_%s %lu\n", bgtoken_kind_names[i], kinds[i]);
	seq_printf(seq, "tokens_cancelled %lu\ntokens_paused %lu\n", cancelled, paused);
	seq_printf(seq, "works %ld\n", live_sum(&live_counter(works)));
	seq_printf(seq, "sites %u\n", READ_ONCE(bgtoken_nr_places));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(totals);

static struct dentry *bgtoken_debugfs;

static void __init bgtoken_state_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bgtoken_shelves); i++)
		spin_lock_init(&bgtoken_shelves[i].lock);
	bgtoken_debugfs = debugfs_create_dir("bgtoken", NULL);
	debugfs_create_file("tokens", 0400, bgtoken_debugfs, NULL, &tokens_fops);
	debugfs_create_file("totals", 0400, bgtoken_debugfs, NULL, &totals_fops);
}

/* Whoever should have put these tokens is gone; says where they were created. */
static void __exit bgtoken_state_exit(void)
{
	struct bgtoken *token;
	int told = 0;

	debugfs_remove(bgtoken_debugfs);	/* waits for readers */
	rcu_read_lock();
	for_each_shelved_token(token)
		if (told++ < 10)
			pr_warn("bgtoken: token %llu was left behind: %s, created at %s:%d, references: %u\n",
				token->id, bgtoken_place(token)->name, bgtoken_place(token)->file,
				bgtoken_place(token)->line, kref_read(&token->kref));
	rcu_read_unlock();
}
#else
static void bgtoken_shelve(struct bgtoken *token) {}
static void bgtoken_unshelve(struct bgtoken *token) {}
static void bgtoken_state_init(void) {}
static void bgtoken_state_exit(void) {}
#endif /* CONFIG_DEBUG_FS */
