// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <memory>

#include "gst/filesink/recording.hpp"
#include "gst/glue/source_info.hpp"

G_BEGIN_DECLS
#define DV_TYPE_TRACK_COLLECTOR (dv_track_collector_get_type())
G_DECLARE_FINAL_TYPE(DvTrackCollector, dv_track_collector, DV, TRACK_COLLECTOR, GstElement)
G_END_DECLS

/**
 * The sink inside discordfilesink: one pad per SSRC, all feeding one Recording. It posts EOS when
 * the upstream has ended, every pad has, and every file is complete. Has no factory of its own.
 */
GstElement *dv_track_collector_new();
void dv_track_collector_set_recording(DvTrackCollector *self,
                                      std::shared_ptr<dv::Recording> recording);
std::shared_ptr<dv::Recording> dv_track_collector_recording(DvTrackCollector *self);
/**
 * A new active pad for an SSRC, added to the element; transfer none. `decoded`: it brings the
 * samples of packets that come over another pad as well.
 */
GstPad *dv_track_collector_add_pad(DvTrackCollector *self, guint32 ssrc, bool decoded);
void dv_track_collector_remove_pad(DvTrackCollector *self, GstPad *pad);
/** Who speaks on a pad, told from before a decoder. */
void dv_track_collector_identify(GstPad *pad, guint64 user, guint32 session);
/** A user's name, and whether they are there. */
void dv_track_collector_source_info(DvTrackCollector *self, const dv::SourceInfo &info);
/** Upstream of all pads has ended: no new pad will come. */
void dv_track_collector_upstream_eos(DvTrackCollector *self, guint32 seqnum);
/** Tells the pipeline that all files are complete. */
void dv_track_collector_post_eos(DvTrackCollector *self);
