/* SPDX-License-Identifier: MIT */
/* The calls that pin in a tree without walks of its own: in the place of pin.c. */
static int64_t slow(int64_t n, unsigned int flags) { return own_slow(0, n, flags, NULL); }

static int64_t fast(int64_t n, int64_t changed, int64_t kind, unsigned int flags, bool only)
{
	lay_out(n);
	return own_fast_first(n, changed, flags, only);
}

static void check_locks(bool held) {}
static void begin_pins(void) {}
static void end_pins(void) {}
bool hc_exclusive(const void *page) { return true; }
bool hc_pinnable(const void *page) { return true; }

/* No walk of the tree runs, so none races. */
int hc_racing, hc_speculative;
void hc_grabbed(const void *refcount) {}
