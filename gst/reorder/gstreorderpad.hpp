// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

#include "gst/glue/ref.hpp"

namespace dv {
struct ReorderStream;
}

G_BEGIN_DECLS
#define DV_TYPE_REORDER_PAD (dv_reorder_pad_get_type())
G_DECLARE_FINAL_TYPE(GstReorderPad, dv_reorder_pad, DV, REORDER_PAD, GstPad)
G_END_DECLS

namespace dv {

/** A source pad that belongs to `stream` for as long as it lives. Floating reference. */
GstPad *reorder_pad_new(GstPadTemplate *templ, const char *name,
                        std::shared_ptr<ReorderStream> stream);
ReorderStream *reorder_pad_stream(GstPad *pad);
/** Stores stream-start, caps, segment and tags on an active pad that nobody knows yet. */
void reorder_pad_begin(GstPad *pad, GstElement *element, guint group_id, Ref<GstCaps> caps,
                       Ref<GstTagList> tags);
/**
 * Caps of a source without negotiation (`application/x-rtp` alone) are completed by what the branch
 * asks for, as a source that negotiates would have done.
 */
void reorder_pad_complete_caps(GstPad *pad);

}  // namespace dv
