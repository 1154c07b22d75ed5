// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/filesink/settings.hpp"

#include <chrono>

#include "gst/filesink/export/export.hpp"

namespace dv {
namespace {

constexpr guint kDefaultLatency = 120;

GType format_type() {
  static const GFlagsValue values[] = {
      {0, "By the extension of the location, else WAV", "auto"},
      {kFormatWav, "WAV (RF64 beyond 4 GiB)", "wav"},
      {kFormatMp3, "MP3, 128 kbit/s", "mp3"},
      {kFormatFlac, "FLAC", "flac"},
      {kFormatOpus, "Ogg Opus, untouched where Opus comes in", "opus"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_flags_register_static("DvTrackFormats", values);
  return type;
}

GType pause_timeline_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(PauseTimeline::keep), "Pauses are silence", "keep"},
      {static_cast<gint>(PauseTimeline::cut), "Pauses are cut out of all tracks", "cut"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("DvPauseTimeline", values);
  return type;
}

GType alignment_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Alignment::recording), "Files start with the recording", "recording"},
      {static_cast<gint>(Alignment::first_frame), "Files start with their speaker's first frame",
       "first-frame"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("DvTrackAlignment", values);
  return type;
}

GType durability_type() {
  static const GEnumValue values[] = {
      {static_cast<gint>(Durability::none), "Nothing is promised, least work", "none"},
      {static_cast<gint>(Durability::process), "Survives the death of the process", "process"},
      {static_cast<gint>(Durability::power), "Survives a power cut, too", "power"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("DvTrackDurability", values);
  return type;
}

GType export_type() {
  static const GFlagsValue values[] = {
      {exporter::kAudacity, "Audacity label track and list of files", "audacity"},
      {exporter::kReaper, "Reaper project", "reaper"},
      {exporter::kVtt, "WebVTT, a cue per talk spurt", "vtt"},
      {exporter::kRttm, "RTTM, who spoke when", "rttm"},
      {exporter::kCsv, "CSV, who spoke when", "csv"},
      {exporter::kHtml, "Page with time line and players", "html"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_flags_register_static("DvRecordingExport", values);
  return type;
}

constexpr auto kFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);

void set_text(std::string &field, const GValue *value) {
  const gchar *text = g_value_get_string(value);
  field = text != nullptr ? text : "";
}

}  // namespace

std::vector<TrackFormat> SinkSettings::resolved_formats() const {
  if (profile != nullptr) return {TrackFormat::profile};
  std::vector<TrackFormat> all;
  if ((formats & kFormatWav) != 0) all.push_back(TrackFormat::wav);
  if ((formats & kFormatMp3) != 0) all.push_back(TrackFormat::mp3);
  if ((formats & kFormatFlac) != 0) all.push_back(TrackFormat::flac);
  if ((formats & kFormatOpus) != 0) all.push_back(TrackFormat::opus);
  if (all.empty()) all.push_back(format_of_location(location).value_or(TrackFormat::wav));
  return all;
}

std::optional<std::string> SinkSettings::contradiction() const {
  if (resolved_formats().size() > 1 && location.find("%x") == std::string::npos) {
    return "Several formats need %x, the extension, in the location";
  }
  if (mix && (!silence || alignment != Alignment::recording)) {
    return "A mix needs tracks with silence that are aligned to the recording";
  }
  return std::nullopt;
}

RecordingConfig SinkSettings::config() const {
  RecordingConfig config;
  config.location = location;
  config.formats = resolved_formats();
  if (profile != nullptr) {
    config.profile.reset(G_OBJECT(g_object_ref(profile)));
    const gchar *extension = gst_encoding_profile_get_file_extension(profile);
    if (extension != nullptr) config.profile_extension = extension;
  }
  config.mix = mix;
  config.silence = silence;
  config.paused = paused;
  config.cut_pauses = pause_timeline == PauseTimeline::cut;
  config.from_first = alignment == Alignment::first_frame;
  config.overwrite = overwrite;
  config.durability = durability;
  config.max_queued = Time(static_cast<std::int64_t>(max_size_time));
  // Parts begin at common times: with another zero per file there are none.
  if (!config.from_first) {
    config.max_file_time = Time(static_cast<std::int64_t>(max_file_time));
  }
  if (!config.from_first) config.max_file_size = max_file_size;
  config.index_location = index_location;
  config.continues = continues;
  config.exports = exports;
  config.wall_start = wall_now();
  return config;
}

void install_sink_properties(GObjectClass *klass) {
  static GParamSpec *props[kPropCount];
  const SinkSettings defaults;
  props[kPropLocation] = g_param_spec_string(
      "location", "Location",
      "Path of the files: %u user id, %n safe form of the name, %s SSRC, %t track number, %d start "
      "of the recording (UTC), %p part, %x extension, %% a percent sign",
      defaults.location.c_str(), kFlags);
  props[kPropFormat] = g_param_spec_flags(
      "format", "Format",
      "Format of the files, or several (wav+opus), each of which has files of its own; the "
      "location's extension decides for auto only",
      format_type(), defaults.formats, kFlags);
  props[kPropProfile] = g_param_spec_object(
      "profile", "Profile", "Encoding profile with one audio stream, used instead of format",
      GST_TYPE_ENCODING_PROFILE, kFlags);
  props[kPropLatency] = g_param_spec_uint(
      "latency", "Latency", "How long a missing packet is waited for, in milliseconds", 0, 10000,
      kDefaultLatency, kFlags);
  props[kPropAlignment] =
      g_param_spec_enum("alignment", "Alignment", "What the first sample of a file stands for",
                        alignment_type(), static_cast<gint>(defaults.alignment), kFlags);
  props[kPropSilence] = g_param_spec_boolean(
      "silence", "Silence", "Write silence where nobody spoke (false: speech alone, back to back)",
      defaults.silence, kFlags);
  props[kPropOverwrite] = g_param_spec_boolean(
      "overwrite", "Overwrite", "Replace existing files instead of numbering the new ones",
      defaults.overwrite, kFlags);
  props[kPropDurability] =
      g_param_spec_enum("durability", "Durability", "What the files survive while they are written",
                        durability_type(), static_cast<gint>(defaults.durability), kFlags);
  props[kPropMaxSizeTime] = g_param_spec_uint64(
      "max-size-time", "Max size time",
      "Audio that may wait for the storage per speaker, in nanoseconds; beyond it a live pipeline "
      "drops and any other blocks",
      100 * GST_MSECOND, G_MAXINT64, defaults.max_size_time, kFlags);
  props[kPropMaxFileTime] =
      g_param_spec_uint64("max-file-time", "Max file time",
                          "Begin a new file for each speaker after this time, in nanoseconds, "
                          "without a gap and for all "
                          "at the same moments; with alignment=recording only; 0: never",
                          0, G_MAXINT64, defaults.max_file_time, kFlags);
  props[kPropMaxFileSize] =
      g_param_spec_uint64("max-file-size", "Max file size",
                          "Begin a new file for a speaker, without a gap, when one has reached "
                          "this size, in bytes; it may be exceeded by a second of audio; with "
                          "alignment=recording only; 0: never",
                          0, G_MAXINT64, defaults.max_file_size, kFlags);
  props[kPropMix] = g_param_spec_boolean(
      "mix", "Mix", "Write the sum of all speakers, too, as a WAV file beside the tracks",
      defaults.mix, kFlags);
  props[kPropPaused] =
      g_param_spec_boolean("paused", "Paused", "Record nothing for now", defaults.paused,
                           static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_PLAYING));
  props[kPropPauseTimeline] = g_param_spec_enum(
      "pause-timeline", "Pause timeline", "What becomes of the time that is paused",
      pause_timeline_type(), static_cast<gint>(defaults.pause_timeline), kFlags);
  props[kPropIndexLocation] = g_param_spec_string(
      "index-location", "Index location",
      "Path of the session index (JSON lines, appended to); NULL: none", nullptr, kFlags);
  props[kPropContinue] = g_param_spec_boolean(
      "continue", "Continue",
      "Go on with the last recording of the session index, its tracks and its time, if it was "
      "killed within the last day and had the same location",
      defaults.continues, kFlags);
  props[kPropExport] = g_param_spec_flags(
      "export", "Export",
      "What is made from the session index at the end of the recording, beside the index; needs "
      "index-location",
      export_type(), defaults.exports, kFlags);
  props[kPropStats] = g_param_spec_boxed(
      "stats", "Statistics", "Counters of the recording: tracks, frames, samples, drops by reason",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  g_object_class_install_properties(klass, kPropCount, props);
  gst_type_mark_as_plugin_api(format_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(pause_timeline_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(alignment_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(durability_type(), static_cast<GstPluginAPIFlags>(0));
  gst_type_mark_as_plugin_api(export_type(), static_cast<GstPluginAPIFlags>(0));
}

bool set_sink_setting(SinkSettings &settings, guint id, const GValue *value) {
  switch (id) {
    case kPropLocation:
      set_text(settings.location, value);
      if (settings.location.empty()) settings.location = SinkSettings().location;
      return true;
    case kPropFormat:
      settings.formats = g_value_get_flags(value);
      return true;
    case kPropProfile:
      g_clear_object(&settings.profile);
      settings.profile = static_cast<GstEncodingProfile *>(g_value_dup_object(value));
      return true;
    case kPropAlignment:
      settings.alignment = static_cast<Alignment>(g_value_get_enum(value));
      return true;
    case kPropSilence:
      settings.silence = g_value_get_boolean(value);
      return true;
    case kPropOverwrite:
      settings.overwrite = g_value_get_boolean(value);
      return true;
    case kPropDurability:
      settings.durability = static_cast<Durability>(g_value_get_enum(value));
      return true;
    case kPropMaxSizeTime:
      settings.max_size_time = g_value_get_uint64(value);
      return true;
    case kPropMaxFileTime:
      settings.max_file_time = g_value_get_uint64(value);
      return true;
    case kPropMaxFileSize:
      settings.max_file_size = g_value_get_uint64(value);
      return true;
    case kPropMix:
      settings.mix = g_value_get_boolean(value);
      return true;
    case kPropPaused:
      settings.paused = g_value_get_boolean(value);
      return true;
    case kPropPauseTimeline:
      settings.pause_timeline = static_cast<PauseTimeline>(g_value_get_enum(value));
      return true;
    case kPropIndexLocation:
      set_text(settings.index_location, value);
      return true;
    case kPropContinue:
      settings.continues = g_value_get_boolean(value);
      return true;
    case kPropExport:
      settings.exports = g_value_get_flags(value);
      return true;
    default:
      return false;
  }
}

bool get_sink_setting(const SinkSettings &settings, guint id, GValue *value) {
  switch (id) {
    case kPropLocation:
      g_value_set_string(value, settings.location.c_str());
      return true;
    case kPropFormat:
      g_value_set_flags(value, settings.formats);
      return true;
    case kPropProfile:
      g_value_set_object(value, settings.profile);
      return true;
    case kPropAlignment:
      g_value_set_enum(value, static_cast<gint>(settings.alignment));
      return true;
    case kPropSilence:
      g_value_set_boolean(value, settings.silence);
      return true;
    case kPropOverwrite:
      g_value_set_boolean(value, settings.overwrite);
      return true;
    case kPropDurability:
      g_value_set_enum(value, static_cast<gint>(settings.durability));
      return true;
    case kPropMaxSizeTime:
      g_value_set_uint64(value, settings.max_size_time);
      return true;
    case kPropMaxFileTime:
      g_value_set_uint64(value, settings.max_file_time);
      return true;
    case kPropMaxFileSize:
      g_value_set_uint64(value, settings.max_file_size);
      return true;
    case kPropMix:
      g_value_set_boolean(value, settings.mix);
      return true;
    case kPropPaused:
      g_value_set_boolean(value, settings.paused);
      return true;
    case kPropPauseTimeline:
      g_value_set_enum(value, static_cast<gint>(settings.pause_timeline));
      return true;
    case kPropIndexLocation:
      g_value_set_string(
          value, settings.index_location.empty() ? nullptr : settings.index_location.c_str());
      return true;
    case kPropContinue:
      g_value_set_boolean(value, settings.continues);
      return true;
    case kPropExport:
      g_value_set_flags(value, settings.exports);
      return true;
    default:
      return false;
  }
}

Time wall_now() {
  return std::chrono::duration_cast<Time>(std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace dv
