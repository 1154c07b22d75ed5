// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/branches.hpp"

#include <string>
#include <vector>

#include "gst/filesink/frame_intake.hpp"
#include "gst/glue/frame_meta.hpp"

namespace dv {
namespace {

constexpr char kKey[] = "dv-branch";

struct Branch {
  std::vector<Ref<GstElement>> elements;  // children of the bin
  std::vector<Ref<GstPad>> pads;          // of the collector
};

void free_branch(gpointer branch) { delete static_cast<Branch *>(branch); }

class BranchMaker {
 public:
  BranchMaker(GstBin *bin, DvTrackCollector *collector, guint32 ssrc, Branch &branch)
      : bin_(bin), collector_(collector), ssrc_(ssrc), branch_(branch) {}

  bool link_plain(GstPad *pad) {
    return gst_pad_link(pad, add_collector_pad(false)) == GST_PAD_LINK_OK;
  }
  /** Decodes what comes out of `pad`, for formats that are not Opus. */
  bool link_decoder(GstPad *pad);
  /** Packets and their samples: both are recorded. */
  bool link_both(GstPad *pad);

 private:
  GstElement *add(const char *kind, GstElement *element);
  GstPad *add_collector_pad(bool decoded);

  GstBin *bin_;
  DvTrackCollector *collector_;
  guint32 ssrc_;
  Branch &branch_;
};

GstElement *BranchMaker::add(const char *kind, GstElement *element) {
  if (element == nullptr) return nullptr;
  gst_object_set_name(GST_OBJECT(element), (kind + std::to_string(ssrc_)).c_str());
  gst_bin_add(bin_, element);
  gst_element_sync_state_with_parent(element);
  branch_.elements.emplace_back(GST_ELEMENT(gst_object_ref(element)));
  return element;
}

GstPad *BranchMaker::add_collector_pad(bool decoded) {
  GstPad *pad = dv_track_collector_add_pad(collector_, ssrc_, decoded);
  branch_.pads.emplace_back(GST_PAD(gst_object_ref(pad)));
  return pad;
}

/** Decoders drop the frame meta: who speaks is read before them. */
GstPadProbeReturn identify_probe(GstPad *, GstPadProbeInfo *info, gpointer collector_pad) {
  const DvRtpFrameMeta *meta = dv_buffer_get_rtp_frame_meta(GST_PAD_PROBE_INFO_BUFFER(info));
  if (meta != nullptr) {
    dv_track_collector_identify(GST_PAD(collector_pad), meta->user_id, meta->session);
  }
  return GST_PAD_PROBE_OK;
}

/** As decoders drop the RTP time, too, it is noted for all branches before they begin. */
GstPadProbeReturn ordered_probe(GstPad *pad, GstPadProbeInfo *info, gpointer collector) {
  auto recording = dv_track_collector_recording(DV_TRACK_COLLECTOR(collector));
  if (!recording) return GST_PAD_PROBE_OK;
  return guarded(collector, GST_PAD_PROBE_OK, [&] {
    note_ordered(*recording, pad, GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  });
}

bool BranchMaker::link_decoder(GstPad *pad) {
  GstPad *end = add_collector_pad(true);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, identify_probe, gst_object_ref(end),
                    gst_object_unref);
  GstElement *decoder =
      add("decoder_", gst_parse_bin_from_description_full(
                          "rtpopusdepay ! opusdec plc=true ! audioconvert ! "
                          "audio/x-raw,format=S16LE,rate=48000,channels=2",
                          TRUE, nullptr, GST_PARSE_FLAG_NO_SINGLE_ELEMENT_BINS, nullptr));
  if (decoder == nullptr) return false;
  Ref<GstPad> in(gst_element_get_static_pad(decoder, "sink"));
  Ref<GstPad> out(gst_element_get_static_pad(decoder, "src"));
  return gst_pad_link(out.get(), end) == GST_PAD_LINK_OK &&
         gst_pad_link(pad, in.get()) == GST_PAD_LINK_OK;
}

bool BranchMaker::link_both(GstPad *pad) {
  GstElement *tee = add("tee_", gst_element_factory_make("tee", nullptr));
  if (tee == nullptr) return false;
  Ref<GstPad> in(gst_element_get_static_pad(tee, "sink"));
  Ref<GstPad> packets(gst_element_request_pad_simple(tee, "src_%u"));
  Ref<GstPad> samples(gst_element_request_pad_simple(tee, "src_%u"));
  return link_plain(packets.get()) && link_decoder(samples.get()) &&
         gst_pad_link(pad, in.get()) == GST_PAD_LINK_OK;
}

}  // namespace

bool brings_opus(GstPad *pad) {
  Ref<GstCaps> caps(gst_pad_get_current_caps(pad));
  return caps && gst_caps_get_size(caps.get()) > 0 &&
         gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), "application/x-rtp");
}

bool add_branch(GstBin *bin, DvTrackCollector *collector, GstPad *pad, guint32 ssrc,
                const Forms &forms) {
  auto *branch = new Branch;
  g_object_set_data_full(G_OBJECT(pad), kKey, branch, free_branch);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, ordered_probe, gst_object_ref(collector),
                    gst_object_unref);
  BranchMaker maker(bin, collector, ssrc, *branch);
  if (!forms.samples) return maker.link_plain(pad);
  return forms.packets ? maker.link_both(pad) : maker.link_decoder(pad);
}

void remove_branch(GstBin *bin, DvTrackCollector *collector, GstPad *pad) {
  auto *branch = static_cast<Branch *>(g_object_steal_data(G_OBJECT(pad), kKey));
  if (branch == nullptr) return;
  for (auto &element : branch->elements) {
    gst_element_set_locked_state(element.get(), TRUE);
    gst_element_set_state(element.get(), GST_STATE_NULL);
    gst_bin_remove(bin, element.get());
  }
  for (auto &end : branch->pads) dv_track_collector_remove_pad(collector, end.get());
  delete branch;
}

}  // namespace dv
