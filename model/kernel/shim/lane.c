/* SPDX-License-Identifier: MIT */
void hc_lane(void) { hc_end(HC_TROUBLE, "no lane yet"); }
