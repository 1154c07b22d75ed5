// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/reorder/reorder_stream.hpp"

#include <algorithm>

namespace dv {

void ReorderCounters::add(const ReorderCounters &o) {
  rules.in += o.rules.in;
  rules.out += o.rules.out;
  rules.reordered += o.rules.reordered;
  rules.filled += o.rules.filled;
  rules.late += o.rules.late;
  rules.duplicate += o.rules.duplicate;
  rules.lost += o.rules.lost;
  rules.restarts += o.rules.restarts;
  rules.flushed += o.rules.flushed;
  rules.largest_displacement = std::max(rules.largest_displacement, o.rules.largest_displacement);
  concealed += o.concealed;
  overflow += o.overflow;
  unlinked += o.unlinked;
  pushed += o.pushed;
}

void ReorderCounters::write(GstStructure *s) const {
  gst_structure_set(s, "in", G_TYPE_UINT64, rules.in, "out", G_TYPE_UINT64, rules.out, "reordered",
                    G_TYPE_UINT64, rules.reordered, "filled", G_TYPE_UINT64, rules.filled, "late",
                    G_TYPE_UINT64, rules.late, "duplicate", G_TYPE_UINT64, rules.duplicate, "lost",
                    G_TYPE_UINT64, rules.lost, "restarts", G_TYPE_UINT64, rules.restarts,
                    "largest-displacement", G_TYPE_UINT64, rules.largest_displacement, "flushed",
                    G_TYPE_UINT64, rules.flushed, "concealed", G_TYPE_UINT64, concealed, "overflow",
                    G_TYPE_UINT64, overflow, "unlinked", G_TYPE_UINT64, unlinked, "pushed",
                    G_TYPE_UINT64, pushed, nullptr);
}

ReorderCounters ReorderStream::counters() const {
  return {rules.counters(), concealed, overflow, unlinked, pushed};
}

}  // namespace dv
