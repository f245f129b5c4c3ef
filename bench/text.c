// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much text a scope takes where it is written. Nothing here is called: tools/bench
 * reads the sizes of the functions from the object. All do the same for the owner, and
 * text_nothing() does only that.
 */
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "bench.h"

struct text_owner {
	int count;
	bool gone;
	struct mutex mutex;	/* of what is compared: both guard the others */
	spinlock_t lock;	/* the same */
};

static __used int text_nothing(struct text_owner *owner)
{
	owner->count++;
	return 0;
}

static __used int text_mutex_and_flag(struct text_owner *owner)
{
	mutex_lock(&owner->mutex);
	if (!owner->gone)
		owner->count++;
	mutex_unlock(&owner->mutex);
	return 0;
}

static __used int text_spinlock_and_flag(struct text_owner *owner)
{
	unsigned long flags;

	spin_lock_irqsave(&owner->lock, flags);
	if (!owner->gone)
		owner->count++;
	spin_unlock_irqrestore(&owner->lock, flags);
	return 0;
}

static __used int text_scoped_bgtoken(struct bgtoken *token)
{
	scoped_bgtoken(token, struct text_owner *, owner)
		owner->count++;
	return 0;
}

static __used int text_scoped_bgtoken_irqsave(struct bgtoken *token)
{
	scoped_bgtoken_irqsave(token, struct text_owner *, owner)
		owner->count++;
	return 0;
}

static __used int text_scoped_cond_bgtoken(struct bgtoken *token)
{
	scoped_cond_bgtoken(return -ENODEV, token, struct text_owner *, owner)
		owner->count++;
	return 0;
}

static __used int text_scoped_cond_bgtoken_irqsave(struct bgtoken *token)
{
	scoped_cond_bgtoken_irqsave(return -ENODEV, token, struct text_owner *, owner)
		owner->count++;
	return 0;
}
