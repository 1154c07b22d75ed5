// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

namespace dv {
struct ReorderStream;
}

G_BEGIN_DECLS
#define DV_TYPE_REORDER_PAD (dv_reorder_pad_get_type())
G_DECLARE_FINAL_TYPE(DvReorderPad, dv_reorder_pad, DV, REORDER_PAD, GstPad)
G_END_DECLS

namespace dv {

/** A source pad that belongs to `stream` for as long as it lives. Floating reference. */
GstPad *reorder_pad_new(GstPadTemplate *templ, const char *name,
                        std::shared_ptr<ReorderStream> stream);
ReorderStream *reorder_pad_stream(GstPad *pad);

}  // namespace dv
