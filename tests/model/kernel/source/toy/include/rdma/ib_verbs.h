/* SPDX-License-Identifier: MIT */
enum ib_access_flags { IB_ACCESS_LOCAL_WRITE = 1 };
