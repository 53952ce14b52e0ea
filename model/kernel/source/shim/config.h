/* SPDX-License-Identifier: MIT */
/*
 * The kernel configuration for the extracted code, and the macros that test it. The memory
 * model is set on the command line with HC_VMEMMAP, and what can be chosen with HC_DEBUG_VM,
 * HC_HVO and -m32. On 32 bits all struct pages lie in one array with FLATMEM.
 */
#define __KERNEL__ 1
#ifdef __LP64__
#define CONFIG_64BIT 1
#define BITS_PER_LONG 64
#else
#define BITS_PER_LONG 32
#endif
#define CONFIG_MMU 1
#define CONFIG_SMP 1
#if defined(HC_VMEMMAP) && !defined(__LP64__)
#define CONFIG_FLATMEM 1
#else
#define CONFIG_SPARSEMEM 1
#ifdef HC_VMEMMAP
#define CONFIG_SPARSEMEM_VMEMMAP 1
#endif
#endif
#ifdef HC_DEBUG_VM
#define CONFIG_DEBUG_VM 1
#endif
#ifdef HC_HVO
#define CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP 1
#endif
#define CONFIG_HAVE_GIGANTIC_FOLIOS 1
#define CONFIG_TRANSPARENT_HUGEPAGE 1
#define CONFIG_HUGETLB_PAGE 1
#define CONFIG_MIGRATION 1
#define CONFIG_ARCH_HAS_PTE_SPECIAL 1
#define CONFIG_ARCH_HAS_PTE_DEVMAP 1
#define CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD 1
#define CONFIG_PGTABLE_HAS_HUGE_LEAVES 1
#define CONFIG_ARCH_WANT_GENERAL_HUGETLB 1
#define CONFIG_HAVE_FAST_GUP 1
#define CONFIG_HAVE_GUP_FAST 1
#define CONFIG_INFINIBAND_USER_MEM 1
#define CONFIG_HAVE_ALIGNED_STRUCT_PAGE 1

/* 1 for an option that is defined as 1, otherwise 0; usable in C and in #if. */
#define hc_comma_1 0,
#define hc_second(first, second, ...) second
#define hc_one(comma) hc_second(comma 1, 0, 0)
#define hc_enabled(value) hc_one(hc_comma_##value)
#define IS_ENABLED(option) hc_enabled(option)
#define IS_BUILTIN(option) hc_enabled(option)
#define IS_MODULE(option) 0
