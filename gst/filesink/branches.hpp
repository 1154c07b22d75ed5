// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include "gst/filesink/collector.hpp"

namespace dv {

/** In which forms what a pad of the reordering brings is recorded; samples of Opus are decoded. */
struct Forms {
  bool packets = true, samples = false;
};

/** Whether this pad brings Opus packets. */
bool brings_opus(GstPad *pad);
/**
 * What stands between the pad of one SSRC and the collector: made inside the bin, linked, and kept
 * with the pad. False when an element is missing.
 */
bool add_branch(GstBin *bin, DvTrackCollector *collector, GstPad *pad, guint32 ssrc,
                const Forms &forms);
void remove_branch(GstBin *bin, DvTrackCollector *collector, GstPad *pad);

}  // namespace dv
