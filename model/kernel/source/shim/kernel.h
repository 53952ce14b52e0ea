/* SPDX-License-Identifier: MIT */
/*
 * Kernel headers for the extracted functions: types, atomics with a journal, warnings that are
 * recorded. Written from the documented behaviour of the names.
 */
#include "config.h"
#include "headcount.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef u64 phys_addr_t;
typedef u64 dma_addr_t;
typedef unsigned int gfp_t;
typedef unsigned long pgoff_t;
typedef long ssize_t;
typedef unsigned int __u32;
typedef u64 __u64;
typedef struct {
	int counter;
} atomic_t;
typedef struct {
	s64 counter;
} atomic64_t;
typedef struct {
	long counter;
} atomic_long_t;
typedef struct {
	int hc;
} spinlock_t;
typedef struct {
	unsigned long f;
} memdesc_flags_t;
struct range {
	u64 start, end;
};
struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct llist_node {
	struct llist_node *next;
};
struct rcu_head {
	void *hc[2];
};
struct work_struct {
	void *hc[4];
};

void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);
char *strncpy(char *, const char *, size_t);
void *calloc(size_t, size_t);
void free(void *);

/* gcov does not say of which function the lines are that are inlined always. */
#ifdef HC_COUNTED
#define __always_inline inline
#else
#define __always_inline inline __attribute__((always_inline))
#endif
#define noinline __attribute__((noinline))
#define __must_check
#define __maybe_unused __attribute__((unused))
#define __attribute_const__
#define __aligned(bytes) __attribute__((aligned(bytes)))
#define __packed __attribute__((packed))
#define ____cacheline_aligned_in_smp
#define __user
#define __rcu
#define __percpu
#define __iomem
#define __force
#define __private
#define __bitwise
#define __weak __attribute__((weak))
#define __init
#define __ref
#define __pure
#define __cold
#define EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_GPL(name)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() __asm__ volatile("" ::: "memory")
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define smp_mb() barrier()
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define smp_mb__after_atomic() barrier()
#define smp_mb__before_atomic() barrier()
#define might_sleep() ((void)0)
#define might_lock(lock) ((void)0)
#define cond_resched() ((void)0)
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)
#define preempt_disable() ((void)0)
#define preempt_enable() ((void)0)
#define preempt_count() 1
#define prefetch(address) ((void)0)
#define prefetchw(address) ((void)0)
#define cpu_relax() barrier()
#define fallthrough __attribute__((fallthrough))
#define jiffies 1UL
#define HZ 100
#define time_before(a, b) ((long)((a) - (b)) < 0)
#define time_after(a, b) time_before(b, a)
#define dump_stack() ((void)0)
#define task_pid_nr(task) 1
/* Log messages are dropped. */
#define printk(...) 0
#define pr_debug(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_warn(...) ((void)0)
#define pr_warn_once(...) ((void)0)
#define pr_warn_ratelimited(...) ((void)0)
#define pr_err(...) ((void)0)
#define pr_err_ratelimited(...) ((void)0)
#define dump_page(page, reason) ((void)0)
#define lockdep_assert(...) ((void)0)
#define lockdep_assert_held(...) ((void)0)
#define lockdep_assert_not_held(...) ((void)0)
#define lockdep_assert_irqs_enabled() ((void)0)
/* Static keys are plain variables; per-CPU variables exist once. */
#define DEFINE_STATIC_KEY_FALSE(name) bool name = false
#define DEFINE_STATIC_KEY_TRUE(name) bool name = true
#define static_branch_likely(key) (*(key))
#define static_branch_unlikely(key) (*(key))
#define static_branch_enable(key) ((void)(*(key) = true))
#define static_branch_disable(key) ((void)(*(key) = false))
#define DEFINE_PER_CPU(type, name) type name
#define this_cpu_ptr(pointer) (pointer)
#define this_cpu_read(variable) (variable)
#define this_cpu_write(variable, value) ((void)((variable) = (value)))
#define this_cpu_add(variable, value) ((void)((variable) += (value)))
#define this_cpu_sub(variable, value) ((void)((variable) -= (value)))
#define this_cpu_inc(variable) this_cpu_add(variable, 1)
#define this_cpu_dec(variable) this_cpu_sub(variable, 1)
#define __this_cpu_add this_cpu_add
#define __this_cpu_inc this_cpu_inc
#define irqs_disabled() 1
#define in_atomic() 1
#define lockdep_assert_irqs_disabled() ((void)0)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(nr) (1UL << (nr))
#define GENMASK(high, low) (~0UL << (low) & ~0UL >> (BITS_PER_LONG - 1 - (high)))
#define UINT_MAX (~0U)
#define INT_MAX ((int)(~0U >> 1))
#define ULONG_MAX (~0UL)
#define min_t(type, a, b) ({ type hc_a = (type)(a); type hc_b = (type)(b); hc_a < hc_b ? hc_a : hc_b; })
#define max_t(type, a, b) ({ type hc_a = (type)(a); type hc_b = (type)(b); hc_a > hc_b ? hc_a : hc_b; })
#define min(a, b) ({ __typeof__(a) hc_a = (a); __typeof__(b) hc_b = (b); hc_a < hc_b ? hc_a : hc_b; })
#define max(a, b) ({ __typeof__(a) hc_a = (a); __typeof__(b) hc_b = (b); hc_a > hc_b ? hc_a : hc_b; })
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define ALIGN(x, a) (((x) + (a)-1) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)
#define min3(a, b, c) min(min(a, b), c)
#define max3(a, b, c) max(max(a, b), c)
#define umin(a, b) min_t(unsigned long, a, b)
#define umax(a, b) max_t(unsigned long, a, b)
#define clamp(x, low, high) min(max(x, low), high)
#define clamp_t(type, x, low, high) min_t(type, max_t(type, x, low), high)
#define clamp_val(x, low, high) clamp_t(__typeof__(x), x, low, high)
#define swap(a, b) ({ __typeof__(a) hc_a = (a); (a) = (b); (b) = hc_a; })
#define round_up(x, to) ALIGN(x, to)
#define round_down(x, to) ALIGN_DOWN(x, to)
#define roundup(x, to) (DIV_ROUND_UP(x, to) * (to))
#define rounddown(x, to) ((x) - (x) % (to))
#define is_power_of_2(x) ((x) && !((x) & ((x)-1)))
#define ilog2(x) (63 - __builtin_clzll(x))
#define roundup_pow_of_two(x) ((x) < 2 ? 1UL : 1UL << (64 - __builtin_clzll((x)-1)))
#define rounddown_pow_of_two(x) (1UL << ilog2(x))
#define order_base_2(x) ((x) < 2 ? 0 : ilog2((x)-1) + 1)
#define check_add_overflow(a, b, to) __builtin_add_overflow(a, b, to)
#define check_sub_overflow(a, b, to) __builtin_sub_overflow(a, b, to)
#define check_mul_overflow(a, b, to) __builtin_mul_overflow(a, b, to)
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#define BUILD_BUG() ((void)0)
#define static_assert _Static_assert

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(address) ALIGN(address, PAGE_SIZE)
#define PFN_UP(bytes) (((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(bytes) ((bytes) >> PAGE_SHIFT)
#define PFN_PHYS(pfn) ((phys_addr_t)(pfn) << PAGE_SHIFT)
#define PHYS_PFN(address) ((unsigned long)((address) >> PAGE_SHIFT))
#define PAGE_ALIGNED(address) IS_ALIGNED((unsigned long)(address), PAGE_SIZE)
#define get_order(bytes) order_base_2(PFN_UP(bytes))
#define SZ_1G (1UL << 30)
#define SZ_16G (1ULL << 34)
#define SECTION_SIZE_BITS (HC_SECTION_SHIFT + PAGE_SHIFT)

/* Errors in pointers and in counts: the last 4095 values. */
#define MAX_ERRNO 4095
#define IS_ERR_VALUE(x) unlikely((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *pointer) { return (long)pointer; }
static inline bool IS_ERR(const void *pointer) { return IS_ERR_VALUE(pointer); }
static inline bool IS_ERR_OR_NULL(const void *pointer) { return !pointer || IS_ERR_VALUE(pointer); }
static inline void *ERR_CAST(const void *pointer) { return (void *)pointer; }
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define EAGAIN 11
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EINVAL 22
#define EMLINK 31
#define EOVERFLOW 75
#define EREMOTEIO 121
#define EHWPOISON 133
#define EOPNOTSUPP 95

/* The ONCE variants warn each time, because every program counts as a new boot. */
#define hc_warn_on(condition, text) ({ \
	int hc_ret = !!(condition); \
	if (unlikely(hc_ret)) \
		hc_warn(__FILE__, __LINE__, text); \
	unlikely(hc_ret); })
#define hc_bug_on(condition, text) ({ \
	if (unlikely(condition)) \
		hc_end(HC_OOPS, "kernel BUG at %s:%d: %s", __FILE__, __LINE__, text); })
#define WARN_ON(condition) hc_warn_on(condition, #condition)
#define WARN(condition, ...) hc_warn_on(condition, #condition)
#define WARN_ON_ONCE(condition) hc_warn_on(condition, #condition)
#define WARN_ONCE(condition, ...) hc_warn_on(condition, #condition)
#define BUG_ON(condition) hc_bug_on(condition, #condition)
#define BUG() hc_bug_on(1, "BUG()")
/* Without CONFIG_DEBUG_VM conditions are compiled but not evaluated. */
#ifdef CONFIG_DEBUG_VM
#define hc_vm_bug(condition, text) hc_bug_on(condition, text)
#define hc_vm_warn(condition, text) hc_warn_on(condition, text)
#else
#define hc_vm_bug(condition, text) ((void)sizeof((long)(condition)))
#define hc_vm_warn(condition, text) ((int)(0 * sizeof((long)(condition))))
#endif
#define VM_BUG_ON(condition) hc_vm_bug(condition, #condition)
#define VM_BUG_ON_PAGE(condition, page) hc_vm_bug(condition, #condition)
#define VM_BUG_ON_FOLIO(condition, folio) hc_vm_bug(condition, #condition)
#define VM_BUG_ON_VMA(condition, vma) hc_vm_bug(condition, #condition)
#define VM_BUG_ON_MM(condition, mm) hc_vm_bug(condition, #condition)
#define VM_WARN_ON(condition) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_ONCE(condition) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_PAGE(condition, page) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_ONCE_PAGE(condition, page) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_FOLIO(condition, folio) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_ONCE_FOLIO(condition, folio) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_ONCE_MM(condition, mm) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_ONCE_VMA(condition, vma) hc_vm_warn(condition, #condition)
#define VM_WARN(condition, ...) hc_vm_warn(condition, #condition)
#define VM_WARN_ONCE(condition, ...) hc_vm_warn(condition, #condition)
#define VM_WARN_ON_IRQS_ENABLED() VM_WARN_ON_ONCE(!irqs_disabled())
/* CONFIG_DEBUG_VM_PGFLAGS is off. */
#define VM_BUG_ON_PGFLAGS(condition, page) ((void)sizeof((long)(condition)))

/*
 * Atomics. Changes of page counts are recorded in the journal. For measurements they are the
 * processor's atomic instructions instead.
 */
static inline int atomic_read(const atomic_t *v) { return READ_ONCE(v->counter); }
static inline void atomic_set(atomic_t *v, int i) { WRITE_ONCE(v->counter, i); }

#ifdef HC_MEASURE
static inline int hc_add(atomic_t *v, int i, bool put)
{
	return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);
}
#else
void hc_counted(atomic_t *v, int i, bool put);
extern int hc_racing, hc_speculative;
void hc_grabbed(const void *refcount);
static inline int hc_add(atomic_t *v, int i, bool put)
{
	if (unlikely(hc_fuel-- <= 0))
		hc_spent_all();
	if (hc_recording)
		hc_counted(v, i, put);
	if (unlikely(hc_racing) && i > 0)
		hc_grabbed(v);
	return v->counter = (int)((unsigned int)v->counter + (unsigned int)i);
}
#endif

static inline void atomic_add(int i, atomic_t *v) { hc_add(v, i, false); }
static inline void atomic_sub(int i, atomic_t *v) { hc_add(v, (int)-(unsigned int)i, false); }
static inline void atomic_inc(atomic_t *v) { hc_add(v, 1, false); }
static inline void atomic_dec(atomic_t *v) { hc_add(v, -1, false); }
static inline int atomic_add_return(int i, atomic_t *v) { return hc_add(v, i, false); }
static inline int atomic_sub_return(int i, atomic_t *v)
{
	return hc_add(v, (int)-(unsigned int)i, true);
}
static inline int atomic_inc_return(atomic_t *v) { return hc_add(v, 1, false); }
static inline int atomic_dec_return(atomic_t *v) { return hc_add(v, -1, true); }
static inline bool atomic_sub_and_test(int i, atomic_t *v)
{
	return hc_add(v, (int)-(unsigned int)i, true) == 0;
}
static inline bool atomic_dec_and_test(atomic_t *v) { return hc_add(v, -1, true) == 0; }
static inline int atomic_fetch_add(int i, atomic_t *v) { return hc_add(v, i, false) - i; }
static inline bool atomic_add_unless(atomic_t *v, int i, int unless)
{
#ifdef HC_MEASURE
	int old = atomic_read(v);

	do {
		if (old == unless)
			return false;
	} while (!__atomic_compare_exchange_n(&v->counter, &old, old + i, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
#else
	if (atomic_read(v) == unless)
		return false;
	hc_speculative = true;
	hc_add(v, i, false);
	hc_speculative = false;
	return true;
#endif
}
static inline bool atomic_inc_not_zero(atomic_t *v) { return atomic_add_unless(v, 1, 0); }
static inline int atomic_cmpxchg(atomic_t *v, int old, int new)
{
	int found = atomic_read(v);

	if (found == old)
		hc_add(v, (int)((unsigned int)new - (unsigned int)old), false);
	return found;
}
static inline s64 atomic64_add_return(s64 i, atomic64_t *v) { return v->counter += i; }
static inline void atomic64_sub(s64 i, atomic64_t *v) { v->counter -= i; }
static inline void atomic64_add(s64 i, atomic64_t *v) { v->counter += i; }
static inline s64 atomic64_read(const atomic64_t *v) { return v->counter; }

#define set_bit(nr, word) ((void)(*(word) |= BIT(nr)))
#define clear_bit(nr, word) ((void)(*(word) &= ~BIT(nr)))
static inline bool test_bit(long nr, const volatile unsigned long *word)
{
	return word[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

/*
 * Memory; hc_alloc() limits the total, in case of a leak in a loop. What is not asked for as
 * zeros is poison, so that a use of uninitialised memory shows.
 */
#define GFP_KERNEL 0U
#define GFP_ATOMIC 0U
#define __GFP_ZERO 0x100U
void *hc_alloc(size_t size, bool zeroed);
void hc_free(const void *pointer);
#define kmalloc(size, gfp) hc_alloc(size, !!((gfp) & __GFP_ZERO))
#define kzalloc(size, gfp) hc_alloc(size, true)
#define kmalloc_array(n, size, gfp) kmalloc((size_t)(n) * (size), gfp)
#define kcalloc(n, size, gfp) kzalloc((size_t)(n) * (size), gfp)
/* Since 7.0 a type, or a variable of it, in place of a size; GFP flags may be left out. */
#define hc_gfp(...) hc_second(0, ##__VA_ARGS__, GFP_KERNEL, 0)
#define kmalloc_objs(what, n, ...) \
	((__typeof__(what) *)kmalloc_array(n, sizeof(what), hc_gfp(__VA_ARGS__)))
#define kzalloc_objs(what, n, ...) \
	((__typeof__(what) *)kcalloc(n, sizeof(what), hc_gfp(__VA_ARGS__)))
#define kmalloc_obj(what, ...) kmalloc_objs(what, 1, ##__VA_ARGS__)
#define kzalloc_obj(what, ...) kzalloc_objs(what, 1, ##__VA_ARGS__)
#define kfree(pointer) hc_free(pointer)
#define __get_free_page(gfp) ((unsigned long)kmalloc(PAGE_SIZE, gfp))
#define free_page(address) hc_free((void *)(address))
#define kmemleak_alloc(pointer, size, count, gfp) ((void)0)
#define kmemleak_free(pointer) ((void)0)

/* Frames and their struct pages, in both memory models. */
struct page;
#define HC_PAGE_STRUCT ((long)sizeof(struct page))
#ifdef HC_MEASURE
extern struct page *hc_pages;
#define pfn_to_page(pfn) ((struct page *)((char *)hc_pages + (size_t)(pfn) * HC_PAGE_STRUCT))
#define page_to_pfn(page) ((unsigned long)(((char *)(page) - (char *)hc_pages) / HC_PAGE_STRUCT))
#else
#ifdef HC_VMEMMAP
#define hc_page(pfn) ((struct page *)(hc_base + ((int64_t)(pfn)-hc_first) * HC_PAGE_STRUCT))
#else
struct page *hc_section_page(int64_t pfn);
#define hc_page(pfn) hc_section_page(pfn)
#endif
/* A program may lie beyond what 32 bits can number: there its frames count from a GiB below it. */
#ifdef __LP64__
#define HC_BELOW 0
#else
#define HC_BELOW (hc_first & -(INT64_C(1) << 18))
#endif
#define pfn_to_page(pfn) hc_page((int64_t)(pfn) + HC_BELOW)
#define page_to_pfn(page) ((unsigned long)(hc_pfn(page) - HC_BELOW))
#endif
#define page_to_phys(page) ((phys_addr_t)page_to_pfn(page) << PAGE_SHIFT)
#define __page_to_pfn page_to_pfn
#define __pfn_to_page pfn_to_page
