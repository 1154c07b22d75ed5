// SPDX-License-Identifier: LGPL-2.1-or-later
// The controller's other half: what the session reports, as bus messages, events and errors.
#include <utility>

#include "ext/voice/gstvoicecontroller.hpp"
#include "ext/voice/gstvoiceenums.hpp"

GST_DEBUG_CATEGORY_EXTERN(dv_discord_voice_src_debug);
#define GST_CAT_DEFAULT dv_discord_voice_src_debug

namespace dv::voice {
namespace {

/** Names are hostile: a structure must hold valid UTF-8 only. */
Ref<gchar> valid_text(const std::string &text) {
  return Ref<gchar>(g_utf8_make_valid(text.c_str(), static_cast<gssize>(text.size())));
}

GstStructure *with_member(GstStructure *facts, const Member &member) {
  gst_structure_set(facts, "user-id", G_TYPE_UINT64, member.user, "name", G_TYPE_STRING,
                    valid_text(member.name).get(), "bot", G_TYPE_BOOLEAN,
                    static_cast<gboolean>(member.bot), nullptr);
  return facts;
}

struct ErrorKind {
  GQuark domain;
  gint code;
};

ErrorKind error_kind(EndReason reason) {
  const auto resource = [](GstResourceError code) -> ErrorKind {
    return {GST_RESOURCE_ERROR, static_cast<gint>(code)};
  };
  switch (reason) {
    case EndReason::bad_token:
    case EndReason::main_refused:
    case EndReason::voice_auth:
    case EndReason::no_answer:
      return resource(GST_RESOURCE_ERROR_NOT_AUTHORIZED);
    case EndReason::guild_removed:
    case EndReason::unknown_channel:
    case EndReason::channel_deleted:
      return resource(GST_RESOURCE_ERROR_NOT_FOUND);
    case EndReason::dave_required:
    case EndReason::no_encryption_mode:
      return resource(GST_RESOURCE_ERROR_SETTINGS);
    case EndReason::rate_limited:
    case EndReason::identify_budget:
    case EndReason::guild_in_use:
      return resource(GST_RESOURCE_ERROR_BUSY);
    case EndReason::protocol_error:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT};
    case EndReason::main_unreachable:
    case EndReason::tls_failed:
    case EndReason::bad_endpoint:
      return resource(GST_RESOURCE_ERROR_OPEN_READ);
    default:
      return resource(GST_RESOURCE_ERROR_READ);
  }
}

}  // namespace

void Controller::report(Report report) {
  std::visit([this](const auto &what) { tell(what); }, report);
}

void Controller::post(GstStructure *facts) {
  gst_element_post_message(element_, gst_message_new_element(GST_OBJECT(element_), facts));
}

void Controller::tell(const Connected &report) {
  GST_INFO_OBJECT(element_, "session %u in channel %" G_GUINT64_FORMAT ", DAVE version %u",
                  report.session, report.channel, report.dave_version);
  intake.mark_discont();
  post(gst_structure_new("discordvoicesrc-connected", "session", G_TYPE_UINT, report.session,
                         "channel-id", G_TYPE_UINT64, report.channel, "mode", G_TYPE_STRING,
                         mode_nick(report.mode), "dave-version", G_TYPE_UINT,
                         guint{report.dave_version}, "again", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(report.again), nullptr));
}

void Controller::tell(const SpeakerJoined &report) {
  post(with_member(gst_structure_new_empty("discordvoicesrc-speaker-joined"), report.member));
}

void Controller::tell(const SpeakerLeft &report) {
  post(with_member(gst_structure_new_empty("discordvoicesrc-speaker-left"), report.member));
}

void Controller::tell(const Speaking &report) {
  GST_DEBUG_OBJECT(element_, "user %" G_GUINT64_FORMAT " speaks on SSRC %08x", report.member.user,
                   report.ssrc);
  post(with_member(
      gst_structure_new("discordvoicesrc-speaking", "session", G_TYPE_UINT, report.session, "ssrc",
                        G_TYPE_UINT, report.ssrc, "flags", G_TYPE_UINT, report.flags, nullptr),
      report.member));
}

void Controller::tell(const Source &report) {
  SourceInfo info;
  info.session = report.session;
  info.ssrc = report.ssrc;
  info.cname = std::to_string(report.member.user);
  info.name = report.member.name;
  info.bot = report.member.bot;
  info.present = report.present;
  intake.push_event(Ref<GstEvent>(source_info_event_new(info, slots_.slot_of(info))));
}

void Controller::tell(const Reconnecting &report) {
  GST_WARNING_OBJECT(element_, "reconnecting: %s", report.text.c_str());
  {
    std::lock_guard lock(mutex_);
    ++reconnects_;
  }
  post(gst_structure_new("discordvoicesrc-reconnecting", "resume", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(report.resume), "main-gateway", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(report.main_gateway), "text", G_TYPE_STRING,
                         valid_text(report.text).get(), nullptr));
}

void Controller::tell(const Resumed &report) {
  GST_INFO_OBJECT(element_, "resumed");
  post(gst_structure_new("discordvoicesrc-resumed", "main-gateway", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(report.main_gateway), nullptr));
}

void Controller::tell(const Moved &report) {
  post(gst_structure_new("discordvoicesrc-moved", "from", G_TYPE_UINT64, report.from, "to",
                         G_TYPE_UINT64, report.to, nullptr));
}

void Controller::tell(const Deafened &report) {
  post(gst_structure_new("discordvoicesrc-deafened", "deaf", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(report.deaf), nullptr));
  if (!report.deaf) return;
  GST_ELEMENT_WARNING(element_, RESOURCE, READ,
                      ("A moderator has deafened the bot: no audio arrives until that is undone."),
                      (nullptr));
}

void Controller::tell(const EpochChanged &report) {
  post(gst_structure_new("discordvoicesrc-epoch", "session", G_TYPE_UINT, report.session, "version",
                         G_TYPE_UINT, guint{report.version}, "epoch", G_TYPE_UINT64, report.epoch,
                         "privacy-code", G_TYPE_STRING, report.privacy_code.c_str(), nullptr));
}

void Controller::tell(const PingRtt &report) {
  GST_LOG_OBJECT(element_, "UDP round trip %" GST_TIME_FORMAT,
                 GST_TIME_ARGS(static_cast<GstClockTime>(report.rtt.count())));
}

void Controller::tell(const Healing &report) {
  GST_WARNING_OBJECT(element_, "healing: %s", report.text.c_str());
  post(gst_structure_new("discordvoicesrc-healing", "step", G_TYPE_UINT,
                         static_cast<guint>(report.step), "text", G_TYPE_STRING,
                         valid_text(report.text).get(), nullptr));
}

void Controller::tell(const Warning &report) {
  GST_ELEMENT_WARNING(element_, RESOURCE, READ, ("%s", valid_text(report.text).get()), (nullptr));
}

void Controller::tell(const Note &report) { GST_INFO_OBJECT(element_, "%s", report.text.c_str()); }

void Controller::tell(const Ended &report) {
  GST_INFO_OBJECT(element_, "ended: %s", name_of(report.reason));
  if (report.fatal) {
    post_ended(report.reason, report.text, true);
    post_error(report);
  } else {
    std::lock_guard lock(mutex_);
    // The application's own end is told in its words.
    if (!leaving_) end_ = report;
  }
  // Not a flow error after a fatal end either: the base class would add a second message, which
  // says nothing, and what was received until now shall be written out.
  intake.finish(GST_FLOW_EOS);
}

void Controller::post_ended(EndReason reason, const std::string &text, bool fatal) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_told_, true)) return;
  }
  GstStructure *figures = stats();
  post(gst_structure_new("discordvoicesrc-ended", "reason", G_TYPE_STRING, name_of(reason), "text",
                         G_TYPE_STRING, valid_text(text).get(), "fatal", G_TYPE_BOOLEAN,
                         static_cast<gboolean>(fatal), "stats", GST_TYPE_STRUCTURE, figures,
                         nullptr));
  gst_structure_free(figures);
}

void Controller::post_error(const Ended &end) {
  const ErrorKind kind = error_kind(end.reason);
  gst_element_message_full(element_, GST_MESSAGE_ERROR, kind.domain, kind.code,
                           g_strdup(valid_text(end.text).get()), nullptr, __FILE__, GST_FUNCTION,
                           __LINE__);
}

}  // namespace dv::voice
